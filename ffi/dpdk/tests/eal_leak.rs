//! An mbuf that outlives everything else; one test, because it takes the EAL of the process with
//! it.

#![allow(clippy::tests_outside_test_module, reason = "an integration test is one module")]

use dpdk::{Eal, PktMempool, SocketId, mempool, testing};

#[test]
fn a_packet_may_outlive_the_eal() {
    let eal = Eal::init(&testing::args()).unwrap();
    let pool = PktMempool::create(&eal, "p", 63, 0, mempool::DATA_ROOM, SocketId::ANY).unwrap();
    let mut mbuf = pool.alloc_from(b"still here").unwrap();
    drop(pool);
    drop(eal);
    assert_eq!(mbuf.data(), b"still here");
    mbuf.data_mut().fill(0);
    drop(mbuf);
}
