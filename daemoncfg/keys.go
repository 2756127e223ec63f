package daemoncfg

// What dockerd from 20.10 to 29 knows, from daemon/config and daemon/command of
// its source: a key of daemon.json is the name of a flag or of a named option,
// or one of the few that have no flag.

// switches are the flags that take no value from the next argument.
var switches = []string{
	"allow-direct-routing", "cri-containerd", "debug", "experimental", "help", "icc", "init",
	"ip-forward", "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables", "ipv6", "live-restore",
	"no-new-privileges", "raw-logs", "restart", "rootless", "selinux-enabled", "tls", "tlsverify",
	"userland-proxy", "validate", "version",
}

// short are the one-letter flags.
var short = map[byte]string{
	'b': "bridge", 'D': "debug", 'g': "graph", 'G': "group", 'h': "help", 'H': "host", 'l': "log-level",
	'p': "pidfile", 'r': "restart", 's': "storage-driver", 'v': "version",
}

// flat are the keys whose objects dockerd takes for values. The members of
// every other object in the document count as if they stood at its top.
var flat = map[string]bool{
	"builder": true, "cluster-store-opts": true, "default-network-opts": true, "default-ulimits": true,
	"extension-config": true, "features": true, "log-opts": true, "nri-opts": true, "runtimes": true,
}

// knownKeys has the kind of value that each key takes, by the first letter of
// its name: string, number, bool, array or object.
var knownKeys = map[string]byte{
	"allow-direct-routing": 'b', "allow-nondistributable-artifacts": 'a', "api-cors-header": 's',
	"apparmor-profile": 's', "authorization-plugins": 'a', "bip": 's', "bip6": 's', "bridge": 's', "bridge-accept-fwmark": 's', "builder": 'o',
	"cdi-spec-dirs": 'a', "cgroup-parent": 's', "cluster-advertise": 's', "cluster-store": 's', "cluster-store-opts": 'o',
	"containerd": 's', "containerd-namespace": 's', "containerd-plugins-namespace": 's',
	"cpu-rt-period": 'n', "cpu-rt-runtime": 'n', "cri-containerd": 'b', "data-root": 's', "debug": 'b',
	"default-address-pools": 'a', "default-cgroupns-mode": 's', "default-gateway": 's', "default-gateway-v6": 's',
	"default-ipc-mode": 's', "default-network-opts": 'o', "default-runtime": 's', "default-shm-size": 's',
	"default-stop-timeout": 'n', "default-ulimits": 'o', "deprecated-key-path": 's', "dns": 'a', "dns-opts": 'a',
	"dns-search": 'a', "exec-opts": 'a', "exec-root": 's', "experimental": 'b', "extension-config": 'o', "extension-dirs": 'a',
	"features": 'o', "firewall-backend": 's', "fixed-cidr": 's', "fixed-cidr-v6": 's', "graph": 's', "group": 's',
	"host-gateway-ip": 's', "host-gateway-ips": 'a', "hosts": 'a', "http-proxy": 's', "https-proxy": 's', "icc": 'b',
	"init": 'b', "init-path": 's', "insecure-registries": 'a', "ip": 's', "ip-forward": 'b', "ip-forward-no-drop": 'b',
	"ip-masq": 'b', "ip6tables": 'b', "iptables": 'b', "ipv6": 'b', "labels": 'a', "live-restore": 'b', "log-driver": 's',
	"log-format": 's', "log-level": 's', "log-opts": 'o', "max-concurrent-downloads": 'n', "max-concurrent-uploads": 'n',
	"max-download-attempts": 'n', "metrics-addr": 's', "min-api-version": 's', "mtu": 'n', "network-control-plane-mtu": 'n',
	"network-diagnostic-port": 'n', "no-new-privileges": 'b', "no-proxy": 's', "node-generic-resources": 'a', "nri-opts": 'o',
	"oom-score-adjust": 'n', "pidfile": 's', "raw-logs": 'b', "registry-mirrors": 'a', "rootless": 'b',
	"runtimes": 'o', "seccomp-profile": 's', "selinux-enabled": 'b', "shutdown-timeout": 'n', "storage-driver": 's',
	"storage-opts": 'a', "swarm-default-advertise-addr": 's',
	"tls": 'b', "tlscacert": 's', "tlscert": 's', "tlskey": 's', "tlsverify": 'b', "userland-proxy": 'b',
	"userland-proxy-path": 's', "userns-remap": 's',
}

// remapKey is the key that this package is for.
const remapKey = "userns-remap"

// removed are keys that an upgrade takes away, and which dockerd it was.
var removed = map[string]string{
	"graph": "dockerd from 23.0 on", "cluster-store": "dockerd from 23.0 on", "cluster-advertise": "dockerd from 23.0 on",
	"cluster-store-opts": "dockerd from 23.0 on", "oom-score-adjust": "dockerd from 25.0 on", "api-cors-header": "a current dockerd",
}

// A keyReading says which dockerd puts the value of a key anywhere. The others
// know the name as that of a flag, or not at all, and take values of any type.
type keyReading int

const (
	allRead  keyReading = iota
	someRead            // 20.10 does, and a current one does not
	noneRead            // neither does
)

func reading(key string) keyReading {
	switch key {
	case "containerd-plugins-namespace", "http-proxy", "https-proxy", "no-proxy":
		return noneRead
	case "allow-nondistributable-artifacts", "deprecated-key-path":
		return someRead
	}
	if removed[key] != "" {
		return someRead
	}
	return allRead
}
