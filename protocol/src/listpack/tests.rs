//! Listpacks: known bytes, every size of entry, damage at every byte.

use super::*;
use proptest::prelude::*;

fn build(elements: &[&[u8]]) -> Vec<u8> {
    let mut list = EMPTY.to_vec();
    for element in elements {
        push(&mut list, Value::of(element));
    }
    list
}

fn texts(list: &[u8]) -> Vec<Vec<u8>> {
    iter(list).map(Value::to_vec).collect()
}

#[test]
fn bytes_are_those_of_redis() {
    // From DUMPs of Redis 7.0.15.
    let list = build(&[b"a", b"1", b"300"]);
    assert_eq!(list, b"\x0f\0\0\0\x03\0\x81a\x02\x01\x01\xc1\x2c\x02\xff");
    let hash = build(&[b"f", b"v", b"n", b"-1"]);
    assert_eq!(hash, b"\x13\0\0\0\x04\0\x81f\x02\x81v\x02\x81n\x02\xdf\xff\x02\xff");
}

#[test]
fn backlen_limits_are_off_by_one() {
    let mut buffer = [0; 5];
    assert_eq!(put_backlen(127, &mut buffer), [0x7F]);
    assert_eq!(put_backlen(128, &mut buffer), [0x01, 0x80]);
    assert_eq!(put_backlen(16_382, &mut buffer), [0x7F, 0xFE]);
    assert_eq!(put_backlen(16_383, &mut buffer), [0x00, 0xFF, 0xFF]);
    for len in [16_380, 16_381, 16_382, 16_383, 16_384, 2_097_145, 2_097_146, 2_097_147] {
        let list = build(&[b"before", &vec![b'x'; len], b"after"]);
        assert_eq!(validate(&list), Ok(3));
        let lengths: Vec<_> = iter(&list).rev().map(Value::len).collect();
        assert_eq!(lengths, [5, len, 6]);
    }
}

#[test]
fn integers_take_their_smallest_form() {
    let cases = [
        (0, 1),
        (127, 1),
        (128, 2),
        (-1, 2),
        (4095, 2),
        (-4096, 2),
        (4096, 3),
        (-32768, 3),
        (32768, 4),
        (-8_388_608, 4),
        (8_388_608, 5),
        (i64::from(i32::MIN), 5),
        (i64::from(i32::MAX) + 1, 9),
        (i64::MIN, 9),
        (i64::MAX, 9),
    ];
    for (number, body) in cases {
        let list = build(&[number.to_string().as_bytes()]);
        assert_eq!(list.len(), EMPTY.len() + body + 1, "{number}");
        assert_eq!(value(&list, HEADER_BYTES), Value::Int(number));
        assert_eq!(Value::Int(number).len(), number.to_string().len());
    }
}

#[test]
fn only_canonical_texts_are_integers() {
    for text in ["", "-", "-0", "007", "+1", " 1", "1 ", "1.0", "9223372036854775808", "-01"] {
        assert_eq!(Value::of(text.as_bytes()), Value::Bytes(text.as_bytes()));
    }
    assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
    assert_eq!(parse_i64(b"-9223372036854775809"), None);
    assert_eq!(parse_i64(b"123456789012345678901"), None);
}

#[test]
fn larger_forms_than_needed_are_read() {
    let list = b"\x0e\0\0\0\x02\0\x81\x35\x02\xf1\x05\0\x03\xff";
    assert_eq!(validate(list), Ok(2));
    assert_eq!(texts(list), [b"5", b"5"]);
    assert_eq!(find(list, b"5", 0), Some(6));
    assert_eq!(find(&list[..], b"6", 0), None);
}

#[test]
fn find_steps_over_values() {
    let list = build(&[b"f", b"g", b"g", b"1"]);
    assert_eq!(find(&list, b"g", 0), seek(&list, 1));
    assert_eq!(find(&list, b"g", 1), seek(&list, 2));
    assert_eq!(find(&list, b"1", 1), None);
}

#[test]
fn too_many_entries_for_the_header_are_counted() {
    let mut list = EMPTY.to_vec();
    for number in 0..65_600 {
        push(&mut list, Value::Int(number));
    }
    assert_eq!(stored_count(&list), None);
    assert_eq!(validate(&list), Ok(65_600));
    assert_eq!(count(&list), 65_600);
    assert_eq!(value(&list, seek(&list, 65_590).unwrap()), Value::Int(65_590));
    assert_eq!(seek(&list, 65_600), None);
}

#[test]
fn a_frame_is_closed_once_for_many_elements() {
    let texts: [&[u8]; 7] = [b"0", b"127", b"128", b"-1", b"text", b"", &[b'z'; 5000]];
    let mut list = EMPTY.to_vec();
    let mut to = Appender::new(&mut list);
    texts.iter().for_each(|text| to.push(Value::of(text)));
    to.finish();
    assert_eq!(list, build(&texts));
    for (number, moved) in [(127, 0), (128, 1), (5, -1), (i64::MIN, 8), (-1, -7)] {
        assert_eq!(replace_int(&mut list, HEADER_BYTES, number), moved);
        assert_eq!(validate(&list), Ok(7));
        let (first, next) = read(&list, HEADER_BYTES);
        assert_eq!((first, read(&list, next).0), (Value::Int(number), Value::Int(127)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn walks_agree_with_a_vector(
        elements in prop::collection::vec(
            prop_oneof![
                any::<i64>().prop_map(|n| (n >> (n & 63)).to_string().into_bytes()),
                prop::collection::vec(any::<u8>(), 0..200),
            ],
            0..40,
        ),
        span in (0usize..45, 0usize..45),
    ) {
        let mut list = EMPTY.to_vec();
        for element in &elements {
            push(&mut list, Value::of(element));
        }
        prop_assert_eq!(validate(&list), Ok(elements.len()));
        prop_assert_eq!(&texts(&list), &elements);
        let mut backward: Vec<_> = iter(&list).rev().map(Value::to_vec).collect();
        backward.reverse();
        prop_assert_eq!(&backward, &elements);
        let (from, to) = (span.0.min(elements.len()), span.1.min(elements.len()));
        let part: Vec<_> = range(&list, span.0..span.1).map(Value::to_vec).collect();
        prop_assert_eq!(part.as_slice(), if from < to { &elements[from..to] } else { &[] });
        for (index, element) in elements.iter().enumerate() {
            let at = seek(&list, index).unwrap();
            prop_assert!(value(&list, at).eq_bytes(element));
            prop_assert_eq!(value(&list, at).len(), element.len());
            let found = find(&list, element, 0).unwrap();
            prop_assert!(found <= at && value(&list, found).eq_bytes(element));
        }
    }

    #[test]
    fn validated_bytes_can_be_walked(
        mut list in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4], 1..60),
        damage in any::<(usize, u8)>(),
    ) {
        let total = list.len() + 7;
        let mut bytes = header(total, None).to_vec();
        bytes.append(&mut list);
        bytes.push(END);
        if let Ok(count) = validate(&bytes) {
            prop_assert_eq!(iter(&bytes).count(), count);
            prop_assert_eq!(iter(&bytes).rev().count(), count);
        }
        let mut good = build(&[b"abc", b"-77", b"123456789", &[b'z'; 70]]);
        let at = damage.0 % good.len();
        good[at] = damage.1;
        if let Ok(count) = validate(&good) {
            prop_assert_eq!(iter(&good).rev().count(), count);
        }
    }
}

#[test]
fn bodies_and_listpacks_go_both_ways() {
    let long = [vec![b'a'; 126], vec![b'b'; 127], vec![b'c'; 5000], vec![b'd'; 16_383]];
    let mut elements = vec![&b""[..], b"text", b"0", b"-5", b"70000", b"9223372036854775807"];
    elements.extend(long.iter().map(Vec::as_slice));
    for count in 0..=elements.len() {
        let list = build(&elements[..count]);
        let concatenated = bodies(&list).collect::<Vec<_>>().concat();
        assert_eq!(bodies(&list).count(), count);
        let mut again = vec![1; 10];
        of_bodies(&concatenated, count, &mut again);
        assert_eq!(again, list);
    }
}
