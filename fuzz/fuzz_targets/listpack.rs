//! The listpack: bytes are accepted if and only if a plain reader accepts them, and say the same; whatever is accepted
//! is walked both ways, searched, and then changed step by step, equal to a vector after each.
//!
//! ```text
//! input:  kind u8 | len u8 | len bytes of a listpack | steps …
//! ```

#![no_main]

use fuzzing::packed::are;
use fuzzing::{Input, packed};
use keyspace::packed::Packed;
use libfuzzer_sys::fuzz_target;
use protocol::listpack::{self, Value};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.byte();
    let len = usize::from(input.byte());
    let bytes = input.take(len);
    let bytes = match kind & 3 {
        // As it comes.
        0 => bytes.to_vec(),
        // With the total and the end mark put right.
        1 => {
            let mut bytes = [bytes, &[0xff]].concat();
            let total = (bytes.len() as u32).to_le_bytes();
            bytes.iter_mut().zip(total).for_each(|(byte, right)| *byte = right);
            bytes
        }
        // Of entries as they come.
        _ => packed::listpack_of(bytes, kind & 4 == 0),
    };
    let expected = packed::listpack(&bytes);
    let found = listpack::validate(&bytes);
    assert_eq!(found.ok(), expected.as_ref().map(Vec::len), "{}", bytes.escape_ascii());
    let Some(texts) = expected else { return };
    read(&bytes, &texts);
    change(Packed::from_bytes(&bytes).expect("validated"), texts, &mut input);
});

/// The most steps of one input: each is followed by a whole comparison.
const STEPS: usize = 8;

/// Every way of reading says the same.
fn read(bytes: &[u8], texts: &[Vec<u8>]) {
    assert!(are(listpack::iter(bytes), texts.iter()));
    assert!(are(listpack::iter(bytes).rev(), texts.iter().rev()));
    assert_eq!(listpack::count(bytes), texts.len());

    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let mut at = listpack::first(bytes);
    while let Some(position) = at {
        assert_eq!(listpack::seek(bytes, forward.len()), Some(position));
        assert!(listpack::value(bytes, position).eq_bytes(&texts[forward.len()]));
        forward.push(position);
        at = listpack::next(bytes, position);
    }
    let mut at = listpack::last(bytes);
    while let Some(position) = at {
        backward.push(position);
        at = listpack::prev(bytes, position);
    }
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(forward.len(), texts.len());
    assert_eq!(listpack::seek(bytes, texts.len()), None);

    for needle in texts.iter().take(4).chain([&b"nowhere".to_vec()]) {
        for skip in 0..3 {
            let place = texts.iter().step_by(skip + 1).position(|text| text == needle);
            let place = place.map(|place| forward[place * (skip + 1)]);
            assert_eq!(listpack::find(bytes, needle, skip), place, "skipping {skip}");
        }
    }
    let (from, to) = (texts.len() / 3, texts.len() / 2);
    assert!(are(listpack::range(bytes, from..to), texts[from..to].iter()));
    assert!(are(listpack::range(bytes, from..usize::MAX), texts[from..].iter()));
}

/// Changes a listpack and a vector alike.
fn change(mut list: Packed, mut texts: packed::Texts, input: &mut Input<'_>) {
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        let step = input.byte();
        let index = input.below(texts.len() + 1);
        match step % 10 {
            0 => {
                let element = input.element();
                list.push_back(Value::of(&element));
                texts.push(element);
            }
            1 => {
                let element = input.element();
                list.push_front(Value::of(&element));
                texts.insert(0, element);
            }
            2 => {
                let element = input.element();
                list.insert(list.seek(index).unwrap_or(list.end()), Value::of(&element));
                texts.insert(index, element);
            }
            3 => {
                let number = input.number();
                if let Some(at) = list.seek(index) {
                    list.replace(at, Value::Int(number));
                    texts[index] = number.to_string().into_bytes();
                }
            }
            4 => {
                let element = input.element();
                if let Some(at) = list.seek(index) {
                    list.replace(at, Value::of(&element));
                    texts[index] = element;
                }
            }
            5 => {
                let count = input.below(4);
                if let Some(at) = list.seek(index) {
                    list.remove(at, count);
                    texts.drain(index..texts.len().min(index + count));
                }
            }
            6 => {
                let end = index + input.below(8);
                list.remove_range(index..end);
                texts.drain(index..texts.len().min(end));
            }
            7 => {
                let tail = list.split_off(index);
                tail.check();
                assert!(are(tail.iter(), texts[index..].iter()));
                list.append(&tail);
            }
            8 => {
                let tail = list.split_off(index);
                texts.truncate(index);
                assert_eq!(list.has_duplicates(0), has_duplicates(&texts));
                drop(tail);
            }
            _ => {
                let mut vector = list.as_bytes().to_vec();
                let element = input.element();
                listpack::push(&mut vector, Value::of(&element));
                let mut appender = listpack::Appender::new(&mut vector);
                appender.push(Value::Int(i64::from(step)));
                appender.push(Value::of(&element));
                appender.finish();
                list = Packed::from_bytes(&vector).expect("still a listpack");
                let number = i64::from(step).to_string().into_bytes();
                texts.extend([element.clone(), number, element]);
            }
        }
        list.check();
        assert!(are(list.iter(), texts.iter()), "{list:?} is not {texts:?}");
        assert_eq!(list.len(), texts.len());
    }
}

fn has_duplicates(texts: &[Vec<u8>]) -> bool {
    let mut sorted: Vec<_> = texts.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}
