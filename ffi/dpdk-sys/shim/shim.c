/* See shim.h. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
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
