/* See shim.h. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static shim_log_sink log_sink;

static ssize_t log_write(void *cookie, const char *buf, size_t size)
{
	(void)cookie;
	int level = rte_log_cur_msg_loglevel();
	log_sink(level < 0 ? RTE_LOG_INFO : (uint32_t)level, buf, size);
	return (ssize_t)size;
}

int shim_log_open(shim_log_sink sink)
{
	static FILE *stream;

	if (stream == NULL) {
		cookie_io_functions_t io = { .write = log_write };

		log_sink = sink;
		stream = fopencookie(NULL, "w", io);
		if (stream == NULL)
			return -errno;
		/* By line: a message is handed over while its thread still holds the stream. */
		setvbuf(stream, NULL, _IOLBF, 8192);
	}
	/* Some releases close the stream they had before, which must not be this one. */
	if (rte_log_get_stream() == stream)
		return 0;
	return rte_openlog_stream(stream) == 0 ? 0 : -EINVAL;
}

static void copy_name(char *dst, const char *src)
{
	snprintf(dst, SHIM_NAME_SIZE, "%s", src == NULL ? "" : src);
}

int shim_port_info_get(uint16_t port_id, struct shim_port_info *out)
{
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(port_id, &info);

	memset(out, 0, sizeof(*out));
	if (ret != 0)
		return ret;
	out->rx_offload_capa = info.rx_offload_capa;
	out->tx_offload_capa = info.tx_offload_capa;
	out->rss_capa = info.flow_type_rss_offloads;
	out->if_index = info.if_index;
	out->max_rx_pktlen = info.max_rx_pktlen;
	out->min_mtu = info.min_mtu;
	out->max_mtu = info.max_mtu;
	out->max_rx_queues = info.max_rx_queues;
	out->max_tx_queues = info.max_tx_queues;
	out->reta_size = info.reta_size;
	out->rss_key_size = info.hash_key_size;
	copy_name(out->driver, info.driver_name);
	copy_name(out->device, info.device == NULL ? NULL : rte_dev_name(info.device));
	return 0;
}

int shim_port_configure(uint16_t port_id, const struct shim_port_conf *conf)
{
	struct rte_eth_conf eth;

	memset(&eth, 0, sizeof(eth));
	eth.rxmode.mtu = conf->mtu;
	eth.rxmode.offloads = conf->rx_offloads;
	eth.txmode.offloads = conf->tx_offloads;
	if (conf->rss_hf != 0) {
		eth.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		eth.rx_adv_conf.rss_conf.rss_hf = conf->rss_hf;
		/* DPDK does not write through this pointer; it is only not const. */
		eth.rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)conf->rss_key;
		eth.rx_adv_conf.rss_conf.rss_key_len = conf->rss_key_len;
	}
	return rte_eth_dev_configure(port_id, conf->rx_queues, conf->tx_queues, &eth);
}

int shim_port_link(uint16_t port_id, struct shim_link *out)
{
	struct rte_eth_link link;
	int ret;

	memset(&link, 0, sizeof(link));
	ret = rte_eth_link_get_nowait(port_id, &link);
	memset(out, 0, sizeof(*out));
	if (ret != 0)
		return ret;
	out->up = link.link_status == RTE_ETH_LINK_UP;
	out->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	out->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return 0;
}

int shim_port_stats(uint16_t port_id, struct shim_port_stats *out)
{
	struct rte_eth_stats stats;
	int ret;

	memset(&stats, 0, sizeof(stats));
	ret = rte_eth_stats_get(port_id, &stats);
	memset(out, 0, sizeof(*out));
	if (ret != 0)
		return ret;
	out->rx_packets = stats.ipackets;
	out->tx_packets = stats.opackets;
	out->rx_bytes = stats.ibytes;
	out->tx_bytes = stats.obytes;
	out->rx_missed = stats.imissed;
	out->rx_errors = stats.ierrors;
	out->tx_errors = stats.oerrors;
	out->rx_no_mbuf = stats.rx_nombuf;
	return 0;
}

int shim_port_by_device(const char *device, uint16_t *port_id)
{
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id) {
		struct rte_eth_dev_info info;

		if (rte_eth_dev_info_get(id, &info) != 0 || info.device == NULL)
			continue;
		if (strcmp(rte_dev_name(info.device), device) == 0) {
			*port_id = id;
			return 0;
		}
	}
	return -ENODEV;
}

int shim_rss_get(uint16_t port_id, struct shim_rss *rss)
{
	struct rte_eth_rss_conf conf;
	int ret;

	memset(&conf, 0, sizeof(conf));
	memset(rss->key, 0, sizeof(rss->key));
	conf.rss_key = rss->key;
	conf.rss_key_len = rss->key_len;
	ret = rte_eth_dev_rss_hash_conf_get(port_id, &conf);
	rss->rss_hf = conf.rss_hf;
	/* Some drivers leave the length as it was, which is the length they have. */
	if (conf.rss_key_len != 0 && conf.rss_key_len <= SHIM_RSS_KEY_MAX)
		rss->key_len = conf.rss_key_len;
	return ret;
}

int shim_rss_set(uint16_t port_id, const struct shim_rss *rss)
{
	struct rte_eth_rss_conf conf;
	uint8_t key[SHIM_RSS_KEY_MAX];

	memset(&conf, 0, sizeof(conf));
	memcpy(key, rss->key, sizeof(key));
	conf.rss_hf = rss->rss_hf;
	conf.rss_key = key;
	conf.rss_key_len = rss->key_len;
	return rte_eth_dev_rss_hash_update(port_id, &conf);
}

#define RETA_GROUPS_MAX (SHIM_RETA_MAX / RTE_ETH_RETA_GROUP_SIZE)

/* Marks the first `size` entries in `groups`, as both calls want them. */
static int reta_select(struct rte_eth_rss_reta_entry64 *groups, uint16_t size)
{
	if (size == 0)
		return -ENOTSUP;
	if (size > SHIM_RETA_MAX)
		return -EINVAL;
	memset(groups, 0, sizeof(*groups) * RETA_GROUPS_MAX);
	for (uint16_t i = 0; i < size; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask |=
			UINT64_C(1) << (i % RTE_ETH_RETA_GROUP_SIZE);
	return 0;
}

int shim_reta_get(uint16_t port_id, uint16_t *queues, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 groups[RETA_GROUPS_MAX];
	int ret = reta_select(groups, size);

	if (ret == 0)
		ret = rte_eth_dev_rss_reta_query(port_id, groups, size);
	if (ret != 0)
		return ret;
	for (uint16_t i = 0; i < size; i++)
		queues[i] = groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
	return 0;
}

int shim_reta_set(uint16_t port_id, const uint16_t *queues, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 groups[RETA_GROUPS_MAX];
	int ret = reta_select(groups, size);

	if (ret != 0)
		return ret;
	for (uint16_t i = 0; i < size; i++)
		groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = queues[i];
	return rte_eth_dev_rss_reta_update(port_id, groups, size);
}

/* What rte_flow takes for one rule; the pattern points into the structure. */
struct flow_request {
	struct rte_flow_attr attr;
	struct rte_flow_item_ipv4 ip, ip_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
	struct rte_flow_item_udp udp, udp_mask;
	struct rte_flow_action_queue queue;
	struct rte_flow_item pattern[4];
	struct rte_flow_action actions[2];
};

static int flow_request(struct flow_request *r, const struct shim_flow_rule *rule)
{
	rte_be16_t port = rte_cpu_to_be_16(rule->dst_port & rule->dst_port_mask);
	rte_be16_t mask = rte_cpu_to_be_16(rule->dst_port_mask);

	memset(r, 0, sizeof(*r));
	r->attr.ingress = 1;
	memcpy(&r->ip.hdr.dst_addr, rule->dst, sizeof(rule->dst));
	memset(&r->ip_mask.hdr.dst_addr, 0xff, sizeof(rule->dst));
	r->tcp.hdr.dst_port = r->udp.hdr.dst_port = port;
	r->tcp_mask.hdr.dst_port = r->udp_mask.hdr.dst_port = mask;
	r->queue.index = rule->queue;
	r->pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
	r->pattern[1].type = RTE_FLOW_ITEM_TYPE_IPV4;
	r->pattern[1].spec = &r->ip;
	r->pattern[1].mask = &r->ip_mask;
	switch (rule->protocol) {
	case IPPROTO_TCP:
		r->pattern[2].type = RTE_FLOW_ITEM_TYPE_TCP;
		r->pattern[2].spec = &r->tcp;
		r->pattern[2].mask = &r->tcp_mask;
		break;
	case IPPROTO_UDP:
		r->pattern[2].type = RTE_FLOW_ITEM_TYPE_UDP;
		r->pattern[2].spec = &r->udp;
		r->pattern[2].mask = &r->udp_mask;
		break;
	default:
		return -EINVAL;
	}
	r->pattern[3].type = RTE_FLOW_ITEM_TYPE_END;
	r->actions[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
	r->actions[0].conf = &r->queue;
	r->actions[1].type = RTE_FLOW_ACTION_TYPE_END;
	return 0;
}

static void copy_why(char *why, const struct rte_flow_error *error)
{
	copy_name(why, error->message);
}

int shim_flow_validate(uint16_t port_id, const struct shim_flow_rule *rule, char *why)
{
	struct rte_flow_error error;
	struct flow_request r;
	int ret = flow_request(&r, rule);

	memset(&error, 0, sizeof(error));
	if (ret == 0)
		ret = rte_flow_validate(port_id, &r.attr, r.pattern, r.actions, &error);
	copy_why(why, &error);
	return ret;
}

int shim_flow_create(uint16_t port_id, const struct shim_flow_rule *rule, struct rte_flow **out,
		     char *why)
{
	struct rte_flow_error error;
	struct flow_request r;
	int ret = flow_request(&r, rule);

	memset(&error, 0, sizeof(error));
	*out = NULL;
	if (ret == 0) {
		rte_errno = 0;
		*out = rte_flow_create(port_id, &r.attr, r.pattern, r.actions, &error);
		if (*out == NULL)
			ret = rte_errno > 0 ? -rte_errno : -ENOTSUP;
	}
	copy_why(why, &error);
	return ret;
}

int shim_flow_destroy(uint16_t port_id, struct rte_flow *flow, char *why)
{
	struct rte_flow_error error;
	int ret;

	memset(&error, 0, sizeof(error));
	ret = rte_flow_destroy(port_id, flow, &error);
	copy_why(why, &error);
	return ret;
}

int rte_errno_(void)
{
	return rte_errno;
}

unsigned int rte_lcore_id_(void)
{
	return rte_lcore_id();
}

struct rte_mbuf *rte_pktmbuf_alloc_(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

int rte_pktmbuf_alloc_bulk_(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void rte_pktmbuf_free_(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

uint16_t rte_eth_rx_burst_(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_rx_burst(port_id, queue_id, pkts, n);
}

uint16_t rte_eth_tx_prepare_(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **pkts,
			     uint16_t n)
{
	return rte_eth_tx_prepare(port_id, queue_id, pkts, n);
}

uint16_t rte_eth_tx_burst_(uint16_t port_id, uint16_t queue_id, struct rte_mbuf **pkts, uint16_t n)
{
	return rte_eth_tx_burst(port_id, queue_id, pkts, n);
}

#ifdef SHIM_TESTING
void shim_mbuf_facts(const struct rte_mbuf *m, struct shim_mbuf_facts *facts)
{
	facts->data = rte_pktmbuf_mtod(m, const void *);
	facts->ol_flags = m->ol_flags;
	facts->pkt_len = rte_pktmbuf_pkt_len(m);
	facts->rss = m->hash.rss;
	facts->data_len = rte_pktmbuf_data_len(m);
	facts->headroom = rte_pktmbuf_headroom(m);
	facts->tailroom = rte_pktmbuf_tailroom(m);
	facts->port = m->port;
	facts->l2_len = m->l2_len;
	facts->l3_len = m->l3_len;
	facts->contiguous = rte_pktmbuf_is_contiguous(m) != 0;
}

void shim_mbuf_mark_received(struct rte_mbuf *m, uint64_t ol_flags, uint32_t rss, uint16_t port)
{
	m->ol_flags = ol_flags;
	m->hash.rss = rss;
	m->port = port;
}

int shim_mbuf_chain(struct rte_mbuf *a, struct rte_mbuf *b)
{
	return rte_pktmbuf_chain(a, b);
}
#endif
