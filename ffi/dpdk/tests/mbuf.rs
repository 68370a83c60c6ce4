//! Mbufs: the accessors against DPDK's own macros, and the bounds of every change of length.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use std::ptr::NonNull;

use dpdk::mbuf::HEADROOM;
use dpdk::{L4Checksum, Mbuf, RxChecksum, TxChecksum, testing};
use dpdk_sys as sys;

/// What DPDK's macros say about the packet.
fn facts(mbuf: Mbuf) -> (Mbuf, sys::shim_mbuf_facts) {
    let raw = mbuf.into_raw();
    let mut facts = sys::shim_mbuf_facts::default();
    // SAFETY: the mbuf is valid and the facts outlive the call.
    unsafe { sys::shim_mbuf_facts(raw.as_ptr(), &raw mut facts) };
    // SAFETY: into_raw gave the ownership away a moment ago.
    (unsafe { Mbuf::from_raw(raw) }, facts)
}

/// Every accessor agrees with DPDK.
fn agrees(mbuf: Mbuf) -> Mbuf {
    let (mbuf, facts) = facts(mbuf);
    assert_eq!(mbuf.data().as_ptr(), facts.data.cast());
    assert_eq!(mbuf.data().len(), usize::from(facts.data_len));
    assert_eq!(mbuf.len(), facts.pkt_len as usize);
    assert_eq!(mbuf.is_contiguous(), facts.contiguous == 1);
    assert_eq!(mbuf.headroom(), usize::from(facts.headroom));
    assert_eq!(mbuf.tailroom(), usize::from(facts.tailroom));
    assert_eq!(mbuf.rx_port(), facts.port);
    mbuf
}

fn received(mbuf: Mbuf, ol_flags: u64) -> Mbuf {
    let raw = mbuf.into_raw();
    // SAFETY: the mbuf is valid.
    unsafe { sys::shim_mbuf_mark_received(raw.as_ptr(), ol_flags, 0x1234_5678, 3) };
    // SAFETY: into_raw gave the ownership away a moment ago.
    unsafe { Mbuf::from_raw(raw) }
}

#[test]
fn a_fresh_mbuf() {
    let pool = testing::pool(63).unwrap();
    let mbuf = agrees(pool.alloc().unwrap());
    assert!(mbuf.is_empty() && mbuf.data().is_empty() && mbuf.is_contiguous());
    assert_eq!((mbuf.headroom(), mbuf.tailroom()), (usize::from(HEADROOM), 2048));
    assert_eq!((mbuf.rss_hash(), mbuf.rx_port()), (None, u16::MAX));
    assert_eq!(mbuf.rx_ipv4_checksum(), RxChecksum::Unknown);
    assert_eq!(mbuf.rx_l4_checksum(), RxChecksum::Unknown);
    assert_eq!(format!("{mbuf:?}"), "Mbuf { len: 0, headroom: 128, tailroom: 2048, segments: 1 }");
    assert_eq!(size_of::<Option<Mbuf>>(), size_of::<usize>());
}

#[test]
fn growing_and_shrinking_at_both_ends() {
    let pool = testing::pool(63).unwrap();
    let mut mbuf = agrees(pool.alloc_from(b"payload").unwrap());
    mbuf.prepend(4).unwrap().copy_from_slice(b"head");
    mbuf.append(4).unwrap().copy_from_slice(b"tail");
    mbuf = agrees(mbuf);
    assert_eq!(mbuf.data(), b"headpayloadtail");
    assert!(mbuf.adj(2));
    assert!(mbuf.trim(3));
    mbuf = agrees(mbuf);
    assert_eq!(mbuf.data(), b"adpayloadt");
    mbuf.data_mut()[0] = b'A';
    assert_eq!(mbuf.data(), b"Adpayloadt");
    assert!(mbuf.adj(10));
    mbuf = agrees(mbuf);
    assert!(mbuf.is_empty());
    assert!(!mbuf.adj(1) && !mbuf.trim(1));
    assert!(mbuf.adj(0) && mbuf.trim(0));
}

#[test]
fn the_bounds_are_exact_and_a_refusal_changes_nothing() {
    let pool = testing::pool(63).unwrap();
    let mut mbuf = pool.alloc_from(&[5; 100]).unwrap();
    for too_much in [129, 65_535, 65_536, 1 << 20, usize::MAX] {
        assert!(mbuf.prepend(too_much).is_none());
    }
    for too_much in [1949, 65_535, 65_536, usize::MAX] {
        assert!(mbuf.append(too_much).is_none());
    }
    for too_much in [101, 65_535, 65_536 + 50, usize::MAX] {
        assert!(!mbuf.adj(too_much) && !mbuf.trim(too_much));
    }
    mbuf = agrees(mbuf);
    assert_eq!(mbuf.data(), [5; 100]);
    assert_eq!(mbuf.prepend(128).unwrap().len(), 128);
    assert_eq!(mbuf.append(1948).unwrap().len(), 1948);
    mbuf = agrees(mbuf);
    assert_eq!((mbuf.headroom(), mbuf.tailroom(), mbuf.len()), (0, 0, 2176));
    assert!(mbuf.prepend(1).is_none() && mbuf.append(1).is_none());
    assert_eq!(mbuf.prepend(0).map(|b| b.len()), Some(0));
    assert_eq!(mbuf.append(0).map(|b| b.len()), Some(0));
    // Writing all of it stays inside the buffer: the pool's other mbufs are untouched.
    mbuf.data_mut().fill(0xff);
    let others: Vec<Mbuf> = std::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(others.len(), 62);
    assert!(others.iter().all(|m| m.is_empty() && m.headroom() == 128));
    drop((mbuf, others));
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_the_port_said() {
    let pool = testing::pool(63).unwrap();
    let mut mbuf = pool.alloc().unwrap();
    let ip = [
        (0, RxChecksum::Unknown),
        (sys::SHIM_MBUF_RX_IP_CKSUM_GOOD, RxChecksum::Good),
        (sys::SHIM_MBUF_RX_IP_CKSUM_BAD, RxChecksum::Bad),
        (sys::SHIM_MBUF_RX_IP_CKSUM_NONE, RxChecksum::NotPresent),
    ];
    let l4 = [
        (0, RxChecksum::Unknown),
        (sys::SHIM_MBUF_RX_L4_CKSUM_GOOD, RxChecksum::Good),
        (sys::SHIM_MBUF_RX_L4_CKSUM_BAD, RxChecksum::Bad),
        (sys::SHIM_MBUF_RX_L4_CKSUM_NONE, RxChecksum::NotPresent),
    ];
    for (ip_flags, ip_expected) in ip {
        for (l4_flags, l4_expected) in l4 {
            mbuf = received(mbuf, ip_flags | l4_flags);
            assert_eq!(mbuf.rx_ipv4_checksum(), ip_expected);
            assert_eq!(mbuf.rx_l4_checksum(), l4_expected);
            assert_eq!((mbuf.rss_hash(), mbuf.rx_port()), (None, 3));
        }
    }
    mbuf = received(mbuf, sys::SHIM_MBUF_RX_RSS_HASH);
    assert_eq!(mbuf.rss_hash(), Some(0x1234_5678));
    assert_eq!(facts(mbuf).1.rss, 0x1234_5678);
}

#[test]
fn what_the_port_is_asked_for() {
    let pool = testing::pool(63).unwrap();
    let mut mbuf = received(pool.alloc().unwrap(), sys::SHIM_MBUF_RX_IP_CKSUM_GOOD);
    let udp = TxChecksum { ipv4: true, l4: L4Checksum::Udp };
    assert!(mbuf.set_tx_offload(14, 20, udp));
    let (mut mbuf, seen) = facts(mbuf);
    assert_eq!((seen.l2_len, seen.l3_len), (14, 20));
    let asked = sys::SHIM_MBUF_TX_IPV4 | sys::SHIM_MBUF_TX_IP_CKSUM | sys::SHIM_MBUF_TX_UDP_CKSUM;
    assert_eq!(seen.ol_flags, asked | sys::SHIM_MBUF_RX_IP_CKSUM_GOOD);

    // A second request replaces the first, at the largest lengths there are.
    let tcp = TxChecksum { ipv4: false, l4: L4Checksum::Tcp };
    assert!(mbuf.set_tx_offload(127, 511, tcp));
    let (mut mbuf, seen) = facts(mbuf);
    assert_eq!((seen.l2_len, seen.l3_len), (127, 511));
    let asked = sys::SHIM_MBUF_TX_IPV4 | sys::SHIM_MBUF_TX_TCP_CKSUM;
    assert_eq!(seen.ol_flags, asked | sys::SHIM_MBUF_RX_IP_CKSUM_GOOD);

    assert!(!mbuf.set_tx_offload(128, 20, tcp));
    assert!(!mbuf.set_tx_offload(14, 512, tcp));
    let (mbuf, seen) = facts(mbuf);
    assert_eq!((seen.l2_len, seen.l3_len), (0, 0));
    assert_eq!(seen.ol_flags, sys::SHIM_MBUF_RX_IP_CKSUM_GOOD);
    assert_eq!(mbuf.rx_ipv4_checksum(), RxChecksum::Good);
}

#[test]
fn hints_change_nothing() {
    let pool = testing::pool(63).unwrap();
    let mut mbuf = pool.alloc_from(b"a packet").unwrap();
    mbuf.prefetch();
    mbuf.prefetch_data();
    mbuf.prefetch_data_write();
    mbuf.demote_data();
    assert_eq!(agrees(mbuf).data(), b"a packet");
    // Nothing is there to be loaded or moved.
    dpdk::prefetch::prefetch_write(std::ptr::null::<u8>());
    dpdk::prefetch::demote(std::ptr::null::<u8>());
}

#[test]
fn several_segments_are_left_alone() {
    let pool = testing::pool(63).unwrap();
    let first = pool.alloc_from(b"first").unwrap().into_raw();
    let second = pool.alloc_from(b"second").unwrap().into_raw();
    // SAFETY: both mbufs are ours; the first owns the second afterwards.
    assert_eq!(unsafe { sys::shim_mbuf_chain(first.as_ptr(), second.as_ptr()) }, 0);
    // SAFETY: the chain is owned here.
    let mut mbuf = agrees(unsafe { Mbuf::from_raw(NonNull::new(first.as_ptr()).unwrap()) });
    assert!(!mbuf.is_contiguous());
    assert_eq!((mbuf.data(), mbuf.len()), (&b"first"[..], 11));
    assert!(mbuf.append(1).is_none() && !mbuf.trim(1) && !mbuf.adj(6));
    assert!(mbuf.adj(2));
    mbuf.prepend(1).unwrap().copy_from_slice(b"x");
    mbuf = agrees(mbuf);
    assert_eq!((mbuf.data(), mbuf.len()), (&b"xrst"[..], 10));
    drop(mbuf);
    assert_eq!(pool.in_use(), 0);
}
