// SPDX-FileCopyrightText: The os-vif developers
// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * For tests only: representors for the virtual functions of a real (or emulated) SR-IOV card.
 *
 *	insmod labrep.ko pf=eth0 vfs=2
 *
 * The card's netdev gets a phys_switch_id and the phys_port_name "p0", as a card in switchdev mode
 * has them. For each virtual function N appears a netdev labrepN of the same PCI device, with the
 * same phys_switch_id and the phys_port_name "pf0vfN" (or with another number than 0: pf_number=).
 * Representors accept flower and matchall rules as offloaded ("in_hw"). What is sent to one is
 * counted and dropped. There may be more of them than virtual functions.
 *
 * With devlink=1 the card has ports of devlink with their flavours, as newer drivers make them.
 * Since Linux 6.2 that of the card has no netdev: it would have to be there before the netdev is.
 */
#include <linux/etherdevice.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/version.h>
#include <net/devlink.h>
#include <net/flow_offload.h>

#define MAX_VFS 256
#define PORTS_HAVE_NETDEVS (LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0))

static char *pf = "eth0";
module_param(pf, charp, 0444);
static int vfs = 2;
module_param(vfs, int, 0444);
static int pf_number;
module_param(pf_number, int, 0444);
static bool devlink;
module_param(devlink, bool, 0444);

struct representor {
	int vf;
};

static struct net_device *card;
static const struct net_device_ops *card_ops;
static struct net_device_ops switch_ops;
static struct net_device *representors[MAX_VFS];
static LIST_HEAD(blocks);

static const struct devlink_ops instance_ops = {};
static struct devlink *instance;
static struct devlink_port uplink_port, vf_ports[MAX_VFS];

static int switch_id(struct net_device *dev, struct netdev_phys_item_id *id)
{
	id->id_len = ETH_ALEN;
	memcpy(id->id, card->perm_addr, ETH_ALEN);
	return 0;
}

static int card_name(struct net_device *dev, char *name, size_t length)
{
	snprintf(name, length, "p0");
	return 0;
}

static int representor_name(struct net_device *dev, char *name, size_t length)
{
	struct representor *own = netdev_priv(dev);

	snprintf(name, length, "pf%dvf%d", pf_number, own->vf);
	return 0;
}

static netdev_tx_t drop(struct sk_buff *skb, struct net_device *dev)
{
	dev->stats.tx_packets++;
	dev->stats.tx_bytes += skb->len;
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

static int accept(enum tc_setup_type type, void *rule, void *unused)
{
	return type == TC_SETUP_CLSFLOWER || type == TC_SETUP_CLSMATCHALL ? 0 : -EOPNOTSUPP;
}

static int setup_tc(struct net_device *dev, enum tc_setup_type type, void *block)
{
	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	return flow_block_cb_setup_simple(block, &blocks, accept, dev, dev, true);
}

static const struct net_device_ops representor_ops = {
	.ndo_start_xmit = drop,
	.ndo_get_port_parent_id = switch_id,
	.ndo_get_phys_port_name = representor_name,
	.ndo_setup_tc = setup_tc,
	.ndo_set_mac_address = eth_mac_addr,
};

#if PORTS_HAVE_NETDEVS
static struct devlink_port *card_port(struct net_device *dev)
{
	return &uplink_port;
}

static struct devlink_port *representor_port(struct net_device *dev)
{
	struct representor *own = netdev_priv(dev);

	return &vf_ports[own->vf];
}
#endif

/* The ports have the names and the id of the switch. */
static const struct net_device_ops devlink_representor_ops = {
	.ndo_start_xmit = drop,
#if PORTS_HAVE_NETDEVS
	.ndo_get_devlink_port = representor_port,
#endif
	.ndo_setup_tc = setup_tc,
	.ndo_set_mac_address = eth_mac_addr,
};

static int add_port(struct devlink_port *port, int index)
{
	struct devlink_port_attrs attrs = { .flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL };

	memset(port, 0, sizeof(*port));
	switch_id(card, &attrs.switch_id);
	if (index == 0) {
		devlink_port_attrs_set(port, &attrs);
	} else {
		port->attrs.switch_id = attrs.switch_id;
		devlink_port_attrs_pci_vf_set(port, 0, pf_number, index - 1, false);
	}
	return devlink_port_register(instance, port, index);
}

static void remove_ports(int vf)
{
	while (vf-- > 0)
		devlink_port_unregister(&vf_ports[vf]);
	devlink_port_unregister(&uplink_port);
}

static int add_ports(void)
{
	int error, vf;

	instance = devlink_alloc(&instance_ops, 0, card->dev.parent);
	if (!instance)
		return -ENOMEM;
	error = add_port(&uplink_port, 0);
	if (error)
		goto out;
	for (vf = 0; vf < vfs; vf++) {
		error = add_port(&vf_ports[vf], vf + 1);
		if (error) {
			remove_ports(vf);
			goto out;
		}
	}
	devlink_register(instance);
	return 0;
out:
	devlink_free(instance);
	return error;
}

static void setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = devlink ? &devlink_representor_ops : &representor_ops;
	dev->hw_features |= NETIF_F_HW_TC;
	dev->needs_free_netdev = true;
	eth_hw_addr_random(dev);
}

static int add(int vf)
{
	struct representor *own;
	struct net_device *dev;
	int error;

	dev = alloc_netdev(sizeof(*own), "labrep%d", NET_NAME_ENUM, setup);
	if (!dev)
		return -ENOMEM;
	own = netdev_priv(dev);
	own->vf = vf;
	SET_NETDEV_DEV(dev, card->dev.parent);
#if !PORTS_HAVE_NETDEVS
	if (devlink)
		SET_NETDEV_DEVLINK_PORT(dev, &vf_ports[vf]);
#endif
	error = register_netdev(dev);
	if (error) {
		free_netdev(dev);
		return error;
	}
	representors[vf] = dev;
#if PORTS_HAVE_NETDEVS
	if (devlink)
		devlink_port_type_eth_set(&vf_ports[vf], dev);
#endif
	return 0;
}

static void remove_all(void)
{
	int vf;

	if (devlink)
		devlink_unregister(instance);
	for (vf = 0; vf < vfs; vf++)
		if (representors[vf]) {
#if PORTS_HAVE_NETDEVS
			if (devlink)
				devlink_port_type_clear(&vf_ports[vf]);
#endif
			unregister_netdev(representors[vf]);
		}
#if PORTS_HAVE_NETDEVS
	if (devlink)
		devlink_port_type_clear(&uplink_port);
#endif
	rtnl_lock();
	card->netdev_ops = card_ops;
	rtnl_unlock();
	if (devlink) {
		remove_ports(vfs);
		devlink_free(instance);
	}
	dev_put(card);
}

static int __init labrep_init(void)
{
	int error = 0, vf;

	if (vfs < 0 || vfs > MAX_VFS)
		return -EINVAL;
	card = dev_get_by_name(&init_net, pf);
	if (!card)
		return -ENODEV;
	if (devlink) {
		error = add_ports();
		if (error) {
			dev_put(card);
			return error;
		}
	}

	rtnl_lock();
	card_ops = card->netdev_ops;
	switch_ops = *card_ops;
	if (devlink && PORTS_HAVE_NETDEVS) {
#if PORTS_HAVE_NETDEVS
		switch_ops.ndo_get_devlink_port = card_port;
#endif
	} else {
		switch_ops.ndo_get_port_parent_id = switch_id;
		switch_ops.ndo_get_phys_port_name = card_name;
	}
	card->netdev_ops = &switch_ops;
	rtnl_unlock();
#if PORTS_HAVE_NETDEVS
	if (devlink)
		devlink_port_type_eth_set(&uplink_port, card);
#endif

	for (vf = 0; vf < vfs && !error; vf++)
		error = add(vf);
	if (error)
		remove_all();
	return error;
}

static void __exit labrep_exit(void)
{
	remove_all();
}

module_init(labrep_init);
module_exit(labrep_exit);
MODULE_DESCRIPTION("Representors for the virtual functions of a card, for tests");
MODULE_LICENSE("GPL");
