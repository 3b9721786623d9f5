//! Lists against a deque, in every form and at the limits between them.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits::DEFAULT;

fn texts(list: &List) -> Vec<Vec<u8>> {
    list.iter().map(Value::to_vec).collect()
}

fn list_of(elements: &[Vec<u8>], limits: &Limits) -> List {
    let mut list = List::new();
    elements.iter().for_each(|element| list.push(End::Back, element, limits));
    list
}

#[test]
fn small_lists_are_listpacks_until_the_node_limit() {
    let limits = Limits { list_max_listpack_size: 4, ..LIMITS };
    let mut list = list_of(&vec![b"x".to_vec(); 4], &limits);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Front, b"x", &limits);
    assert_eq!(list.encoding(), "quicklist");
    // A chain of several nodes stays one, and so does a single node above half of the limit.
    for (len, encoding) in [(4, "quicklist"), (3, "quicklist"), (2, "listpack")] {
        list.pop(End::Front, &limits);
        assert_eq!((list.len(), list.encoding()), (len, encoding));
        list.check();
    }
}

#[test]
fn large_elements_are_plain_nodes() {
    let mut list = List::new();
    list.push(End::Back, b"small", &LIMITS);
    list.push(End::Back, &[b'L'; 9000], &LIMITS);
    list.push(End::Back, b"last", &LIMITS);
    let plain: Vec<_> = list.nodes().map(|node| matches!(node, NodeBytes::Plain(_))).collect();
    assert_eq!(plain, [false, true, false]);
    assert!(list.set(1, b"now small", &LIMITS));
    list.check();
    assert_eq!(texts(&list), [&b"small"[..], b"now small", b"last"]);
    assert!(list.set(0, &[b'M'; 10_000], &LIMITS));
    assert!(!list.set(3, b"none", &LIMITS));
    list.check();
    assert_eq!(list.get(0).map(Value::len), Some(10_000));
}

#[test]
fn pushes_fill_their_nodes() {
    for end in [End::Front, End::Back] {
        let mut list = List::new();
        for number in 0..20_000 {
            list.push(end, format!("element {number}").as_bytes(), &LIMITS);
        }
        list.check();
        let (bytes, nodes) = list.nodes().fold((0, 0), |(bytes, nodes), node| match node {
            NodeBytes::Packed(packed) | NodeBytes::Plain(packed) => {
                (bytes + packed.len(), nodes + 1)
            }
        });
        assert!(bytes / nodes > 7400, "{} bytes per node", bytes / nodes);
    }
}

#[test]
fn insertions_all_over_leave_no_crumbs() {
    let mut list = List::new();
    for number in 0..5000usize {
        let at = number.wrapping_mul(0x9E37_79B9) % (list.len() + 1);
        list.insert(at, b"some element of a list", &LIMITS);
    }
    list.check();
    assert!(list.nodes().len() < 5000 * 24 / 8192 * 2 + 2, "{} nodes", list.nodes().len());
}

#[test]
fn emptied_lists_are_packed() {
    let limits = Limits { list_max_listpack_size: 1, ..LIMITS };
    let mut list = list_of(&vec![b"x".to_vec(); 5], &limits);
    list.trim(2..2, &limits);
    assert!(list.is_empty());
    assert_eq!(list.encoding(), "listpack");
    assert_eq!(list.pop(End::Front, &limits), None);
}

#[derive(Clone, Debug)]
enum Step {
    Push(bool, Vec<u8>),
    Pop(bool),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Beside(Vec<u8>, bool, Vec<u8>),
    Remove(i64, Vec<u8>),
    RemoveRange(usize, usize),
    Trim(usize, usize),
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => (0u8..6).prop_map(|n| n.to_string().into_bytes()),
        2 => (0u8..4, 1usize..40).prop_map(|(byte, len)| vec![b'a' + byte; len]),
        1 => (4000usize..9000).prop_map(|len| vec![b'z'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), element()).prop_map(|(end, e)| Step::Push(end, e)),
        2 => any::<bool>().prop_map(Step::Pop),
        2 => (any::<usize>(), element()).prop_map(|(at, e)| Step::Set(at, e)),
        4 => (any::<usize>(), element()).prop_map(|(at, e)| Step::Insert(at, e)),
        2 => (element(), any::<bool>(), element()).prop_map(|(p, a, e)| Step::Beside(p, a, e)),
        1 => (-3i64..4, element()).prop_map(|(n, e)| Step::Remove(n, e)),
        1 => (any::<usize>(), 0usize..6).prop_map(|(at, n)| Step::RemoveRange(at, n)),
        1 => (0usize..3, 0usize..5).prop_map(|(a, b)| Step::Trim(a, b)),
    ]
}

/// The model of LREM.
fn remove(model: &mut Vec<Vec<u8>>, count: i64, element: &[u8]) -> usize {
    let hits = model.iter().enumerate().filter(|(_, e)| *e == element);
    let mut hits: Vec<usize> = hits.map(|(index, _)| index).collect();
    if count < 0 {
        hits.reverse();
    }
    if count != 0 {
        hits.truncate(count.unsigned_abs() as usize);
    }
    hits.sort_unstable();
    hits.iter().rev().for_each(|index| drop(model.remove(*index)));
    hits.len()
}

fn apply(step: Step, list: &mut List, model: &mut Vec<Vec<u8>>, limits: &Limits) {
    let end = |front| if front { End::Front } else { End::Back };
    match step {
        Step::Push(front, e) => {
            list.push(end(front), &e, limits);
            model.insert(if front { 0 } else { model.len() }, e);
        }
        Step::Pop(front) => {
            let expected = match (model.is_empty(), front) {
                (true, _) => None,
                (_, true) => Some(model.remove(0)),
                (_, false) => model.pop(),
            };
            assert_eq!(list.pop(end(front), limits), expected);
        }
        Step::Set(at, e) if !model.is_empty() => {
            let at = at % model.len();
            assert!(list.set(at, &e, limits));
            model[at] = e;
        }
        Step::Insert(at, e) => {
            let at = at % (model.len() + 1);
            list.insert(at, &e, limits);
            model.insert(at, e);
        }
        Step::Beside(pivot, after, e) => {
            let at = model.iter().position(|have| *have == pivot);
            assert_eq!(list.insert_beside(&pivot, after, &e, limits), at.is_some());
            if let Some(at) = at {
                model.insert(at + usize::from(after), e);
            }
        }
        Step::Remove(count, e) => {
            assert_eq!(list.remove(count, &e, limits), remove(model, count, &e));
        }
        Step::RemoveRange(at, count) => {
            let at = at % (model.len() + 1);
            list.remove_range(at..at + count, limits);
            model.drain(at..(at + count).min(model.len()));
        }
        Step::Trim(front, back) => {
            let end = model.len().saturating_sub(back);
            list.trim(front..end, limits);
            model.truncate(end.max(front.min(end)));
            model.drain(..front.min(model.len()));
        }
        Step::Set(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn list_is_a_vector(
        steps in prop::collection::vec(step(), 0..120),
        fill in prop::sample::select(vec![-2, -1, 1, 3, 16]),
    ) {
        let limits = Limits { list_max_listpack_size: fill, ..LIMITS };
        let mut list = List::new();
        let mut model = Vec::new();
        for step in steps {
            apply(step, &mut list, &mut model, &limits);
            list.check();
            prop_assert_eq!(list.len(), model.len());
        }
        prop_assert_eq!(&texts(&list), &model);
        let (from, to) = (model.len() / 3, model.len() * 2 / 3);
        let part: Vec<_> = list.range(from..to).rev().map(Value::to_vec).collect();
        prop_assert!(part.iter().eq(model[from..to].iter().rev()));
        for (index, element) in model.iter().enumerate() {
            prop_assert!(list.get(index).is_some_and(|value| value.eq_bytes(element)));
        }
        let mut both = list.iter();
        let mut met = 0;
        while both.next().is_some() {
            met += 1 + usize::from(both.next_back().is_some());
        }
        prop_assert_eq!(met, model.len());
        let again = List::from_nodes(list.nodes(), &limits).unwrap();
        again.check();
        prop_assert_eq!(texts(&again.duplicate()), model);
    }
}
