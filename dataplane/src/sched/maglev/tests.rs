//! Tests against what a Linux 6.1 IPVS computes, and of what the table promises.

use super::*;

fn entry(third: u8, weight: u32) -> MaglevEntry {
    MaglevEntry { address: Ipv4Addr::new(10, third, 0, 2), l4_port: 80, weight }
}

/// The real servers 10.4.0.2, 10.3.0.2 and 10.2.0.2, in this order, in a table of 4093 slots.
fn table(weights: [u32; 3]) -> MaglevTable {
    let [a, b, c] = weights;
    MaglevTable::build(&[entry(4, a), entry(3, b), entry(2, c)], 4093 / 3).unwrap()
}

fn counts(table: &MaglevTable, places: u32) -> Vec<usize> {
    (0..places).map(|place| table.slots.iter().filter(|slot| **slot == place).count()).collect()
}

fn letters(table: &MaglevTable) -> String {
    table.slots[..40].iter().map(|place| char::from(b"ABC"[*place as usize])).collect()
}

#[test]
fn the_hash_is_that_of_the_kernel() {
    let cases: [([u8; 4], u16, u32, u32); 5] = [
        ([10, 1, 0, 2], 0, 0xe594_538a, 1900),
        ([10, 1, 0, 2], 40_000, 0x0e8a_1b91, 1528),
        ([192, 0, 2, 1], 0, 0x9288_9c88, 2891),
        ([203, 0, 113, 77], 0, 0xd668_af81, 2731),
        ([203, 0, 113, 77], 12_345, 0x0a06_f8f2, 2713),
    ];
    let table = table([1, 1, 1]);
    for (address, l4_port, value, slot) in cases {
        assert_eq!(hash(SLOT_KEY, (address.into(), l4_port), 0), value);
        assert_eq!(table.slot(address.into(), l4_port, 0), slot);
    }
}

#[test]
fn permutations_are_those_of_the_kernel() {
    for (third, at, step) in [(4, 984, 738), (3, 589, 903), (2, 2949, 1114)] {
        let end = (Ipv4Addr::new(10, third, 0, 2), 80);
        let (begin, skip) = (hash(SLOT_KEY, end, 0) % 4093, hash(STEP_KEY, end, 0) % 4092 + 1);
        assert_eq!((begin, skip), (at, step));
    }
}

#[test]
fn tables_are_those_of_the_kernel() {
    let weighted = table([3, 2, 1]);
    assert_eq!(counts(&weighted, 3), [2047, 1364, 682]);
    assert_eq!(letters(&weighted), "ABABAABABCABAABABBABACAABABAABAAACCBAAAB");
    let even = table([1, 1, 1]);
    assert_eq!(counts(&even, 3), [1365, 1364, 1364]);
    assert_eq!(letters(&even), "ACABCABACCCCACCABBABACACCABAABBAACCBCAAB");
    assert_eq!(counts(&table([300, 20, 10]), 3), [3721, 248, 124]);
    // By the rule: weights are shifted until the greatest has 6 bits, so a round has 63 turns of
    // the first and one of each other.
    assert_eq!(counts(&table([2_147_483_647, 3, 1]), 3), [3969, 62, 62]);
}

#[test]
fn there_is_a_table_if_there_is_something_to_choose() {
    assert!(MaglevTable::build(&[], 8).is_none());
    assert!(MaglevTable::build(&[entry(1, 0), entry(2, 0)], 8).is_none());
    let one = MaglevTable::build(&[entry(1, 0), entry(2, 7)], 8).unwrap();
    assert_eq!((one.size(), counts(&one, 2)), (251, vec![0, 251]));
    let address = |n: u32| MaglevEntry { address: Ipv4Addr::from_bits(n), ..entry(0, 1) };
    let many: Vec<_> = (0..131_072).map(address).collect();
    assert!(MaglevTable::build(&many, 8).is_none());
    assert_eq!(MaglevTable::build(&many[1..], 8).unwrap().size(), 131_071);
    assert_eq!(MaglevTable::build(&many[..100], 8).unwrap().size(), 1021);
}

/// Clients out of 100,000 that had the one of 100 real servers that leaves, and others that moved,
/// with a table of so many slots. The minimum is that nobody else moves.
fn moves(slots: u32) -> (u32, u32) {
    let all: Vec<_> = (1..=100).map(|third| entry(third, 1)).collect();
    let rest: Vec<_> = all.iter().copied().filter(|entry| *entry != all[41]).collect();
    let table = |entries: &[_]| MaglevTable::with_slots(entries, slots).unwrap();
    let (before, after) = (table(&all), table(&rest));
    let (mut gone, mut moved) = (0, 0);
    for client in (0..100_000).map(|n| Ipv4Addr::from_bits(0xC633_6400 + n * 31)) {
        let (old, new) = (all[before.place(client, 0)], rest[after.place(client, 0)]);
        gone += u32::from(old == all[41]);
        moved += u32::from(old != all[41] && old != new);
    }
    (gone, moved)
}

/// `docs/PERFORMANCE.md` has these figures.
#[test]
fn who_leaves_moves_few_of_the_others() {
    let figures = [1021, 4093, 65_521].map(moves);
    assert_eq!(figures, [(973, 3389), (1041, 2777), (1057, 538)]);
}

#[test]
fn who_may_not_be_used_is_passed_over() {
    let table = table([1, 1, 1]);
    for n in 0..200 {
        let client = Ipv4Addr::from_bits(0xC633_6400 + n);
        let first = table.place(client, 5);
        assert_eq!(table.other_place(client, 5, 4093, |place| place == first), Some(first));
        let other = table.other_place(client, 5, 4093, |place| place != first).unwrap();
        assert_ne!(other, first);
    }
    assert_eq!(table.other_place(Ipv4Addr::LOCALHOST, 5, 100, |_| false), None);
}
