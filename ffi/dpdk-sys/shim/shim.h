/* Everything of DPDK that Rust cannot reach through a plain symbol, in a shape that does not change
 * between releases 22.11 and 25.11.
 *
 * - A name with a trailing underscore wraps the DPDK macro or static inline of the same name.
 * - shim_* structures hold copies of DPDK structures whose layout differs between releases.
 * - SHIM_* constants carry offsets and flag values that the Rust accessors are built on.
 */
#ifndef RVS_DPDK_SHIM_H
#define RVS_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>

#if RTE_VERSION < RTE_VERSION_NUM(22, 11, 0, 0)
#error "DPDK 22.11 or newer is needed"
#endif

/* Byte offsets of rte_mbuf fields. Enumerators, because bindgen evaluates them, while the field
 * paths of the structure differ between releases (24.x added anonymous unions). */
enum shim_mbuf_layout {
	SHIM_MBUF_SIZE = sizeof(struct rte_mbuf),
	SHIM_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
	SHIM_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
	SHIM_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
	SHIM_MBUF_PORT = offsetof(struct rte_mbuf, port),
	SHIM_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
	SHIM_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
	SHIM_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
	SHIM_MBUF_HASH_RSS = offsetof(struct rte_mbuf, hash.rss),
	SHIM_MBUF_BUF_LEN = offsetof(struct rte_mbuf, buf_len),
	SHIM_MBUF_TX_OFFLOAD = offsetof(struct rte_mbuf, tx_offload),
	SHIM_MBUF_L2_LEN_BITS = RTE_MBUF_L2_LEN_BITS,
	SHIM_MBUF_L3_LEN_BITS = RTE_MBUF_L3_LEN_BITS,
};

enum shim_limits {
	SHIM_PKTMBUF_HEADROOM = RTE_PKTMBUF_HEADROOM,
	SHIM_MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE,
	SHIM_MAX_LCORE = RTE_MAX_LCORE,
	SHIM_NAME_SIZE = 64,
	SHIM_RSS_KEY_MAX = 64,
	SHIM_RETA_MAX = RTE_ETH_RSS_RETA_SIZE_512 * 4,
};

/* 64-bit flag values. */
static const uint64_t SHIM_MBUF_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t SHIM_MBUF_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t SHIM_MBUF_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t SHIM_MBUF_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t SHIM_MBUF_RX_IP_CKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t SHIM_MBUF_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t SHIM_MBUF_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t SHIM_MBUF_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t SHIM_MBUF_RX_L4_CKSUM_NONE = RTE_MBUF_F_RX_L4_CKSUM_NONE;
static const uint64_t SHIM_MBUF_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t SHIM_MBUF_TX_IP_CKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t SHIM_MBUF_TX_TCP_CKSUM = RTE_MBUF_F_TX_TCP_CKSUM;
static const uint64_t SHIM_MBUF_TX_UDP_CKSUM = RTE_MBUF_F_TX_UDP_CKSUM;
static const uint64_t SHIM_MBUF_TX_OFFLOAD_MASK = RTE_MBUF_F_TX_OFFLOAD_MASK;

static const uint64_t SHIM_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SHIM_RX_OFFLOAD_TCP_CKSUM = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t SHIM_RX_OFFLOAD_UDP_CKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
static const uint64_t SHIM_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t SHIM_TX_OFFLOAD_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SHIM_TX_OFFLOAD_TCP_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static const uint64_t SHIM_TX_OFFLOAD_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t SHIM_RSS_IP_TCP_UDP = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
static const uint64_t SHIM_RSS_IPV4_PORTS = RTE_ETH_RSS_NONFRAG_IPV4_TCP |
					    RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t SHIM_RSS_SRC_ONLY = RTE_ETH_RSS_L3_SRC_ONLY | RTE_ETH_RSS_L4_SRC_ONLY;
static const uint64_t SHIM_RSS_DST_ONLY = RTE_ETH_RSS_L3_DST_ONLY | RTE_ETH_RSS_L4_DST_ONLY;

/* What rte_eth_dev_info_get says, as far as it is used. */
struct shim_port_info {
	uint64_t rx_offload_capa;
	uint64_t tx_offload_capa;
	uint64_t rss_capa;
	uint32_t if_index;
	uint32_t max_rx_pktlen;
	uint16_t min_mtu;
	uint16_t max_mtu;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t reta_size;
	uint16_t rss_key_size; /* 0: the driver does not say */
	char driver[SHIM_NAME_SIZE];
	char device[SHIM_NAME_SIZE];
};

/* What goes into rte_eth_conf. */
struct shim_port_conf {
	uint64_t rx_offloads;
	uint64_t tx_offloads;
	uint64_t rss_hf; /* 0: no receive-side scaling */
	const uint8_t *rss_key; /* null: the driver's own */
	uint32_t mtu;
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint8_t rss_key_len;
};

/* Hash key and hashed packet types of a port. */
struct shim_rss {
	uint64_t rss_hf;
	uint8_t key_len; /* in: room in key; out: length of the key */
	uint8_t key[SHIM_RSS_KEY_MAX];
};

/* "IPv4 to this address, TCP or UDP to a port with these bits: into this queue". */
struct shim_flow_rule {
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t dst[4];
	uint16_t dst_port; /* host order, as the mask */
	uint16_t dst_port_mask;
	uint16_t queue;
};

struct shim_link {
	uint32_t speed_mbps; /* 0: not known */
	uint8_t up;
	uint8_t full_duplex;
};

struct shim_port_stats {
	uint64_t rx_packets;
	uint64_t tx_packets;
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t rx_missed;
	uint64_t rx_errors;
	uint64_t tx_errors;
	uint64_t rx_no_mbuf;
};

/* Receives one piece of log text (usually one line) that EAL or a driver printed. */
typedef void (*shim_log_sink)(uint32_t level, const char *text, size_t len);

/* Sends every later log message of DPDK to the sink, which is set by the first call. May be
 * repeated, but not by two threads at once. Returns 0 or a negative errno. */
int shim_log_open(shim_log_sink sink);

int shim_port_info_get(uint16_t port_id, struct shim_port_info *info);
int shim_port_configure(uint16_t port_id, const struct shim_port_conf *conf);
int shim_port_link(uint16_t port_id, struct shim_link *link);
int shim_port_stats(uint16_t port_id, struct shim_port_stats *stats);
/* Looks for a port whose device has this name; a port's own name may differ from it. */
int shim_port_by_device(const char *device, uint16_t *port_id);

int shim_rss_get(uint16_t port_id, struct shim_rss *rss);
int shim_rss_set(uint16_t port_id, const struct shim_rss *rss);
/* The whole redirection table; `size` is what shim_port_info_get said, at most SHIM_RETA_MAX. */
int shim_reta_get(uint16_t port_id, uint16_t *queues, uint16_t size);
int shim_reta_set(uint16_t port_id, const uint16_t *queues, uint16_t size);

/* Return 0 or a negative errno; `why` (SHIM_NAME_SIZE bytes) gets the driver's words, if any. */
int shim_flow_validate(uint16_t port_id, const struct shim_flow_rule *rule, char *why);
int shim_flow_create(uint16_t port_id, const struct shim_flow_rule *rule, struct rte_flow **out,
		     char *why);
int shim_flow_destroy(uint16_t port_id, struct rte_flow *flow, char *why);

int rte_errno_(void);
unsigned int rte_lcore_id_(void);
struct rte_mbuf *rte_pktmbuf_alloc_(struct rte_mempool *pool);
int rte_pktmbuf_alloc_bulk_(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count);
void rte_pktmbuf_free_(struct rte_mbuf *m);
uint16_t rte_eth_rx_burst_(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **pkts, uint16_t n);
uint16_t rte_eth_tx_prepare_(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **pkts,
			     uint16_t n);
uint16_t rte_eth_tx_burst_(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **pkts, uint16_t n);

#ifdef SHIM_TESTING
/* What DPDK's own macros say about an mbuf. */
struct shim_mbuf_facts {
	const void *data;
	uint64_t ol_flags;
	uint32_t pkt_len;
	uint32_t rss;
	uint16_t data_len;
	uint16_t headroom;
	uint16_t tailroom;
	uint16_t port;
	uint16_t l2_len;
	uint16_t l3_len;
	uint8_t contiguous;
};

void shim_mbuf_facts(const struct rte_mbuf *m, struct shim_mbuf_facts *facts);
void shim_mbuf_mark_received(struct rte_mbuf *m, uint64_t ol_flags, uint32_t rss, uint16_t port);
/* Appends b to a as a further segment; a owns b afterwards. */
int shim_mbuf_chain(struct rte_mbuf *a, struct rte_mbuf *b);
#endif

#endif
