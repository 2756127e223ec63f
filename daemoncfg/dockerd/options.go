package dockerd

import (
	"slices"
	"strings"

	"github.com/usernskit/usernskit/internal/enum"
)

// An Option is one setting of dockerd: a key of daemon.json, a flag, or both.
type Option struct {
	Key  string // in daemon.json, "" for what only a flag can set
	Flag string // in its long form without dashes, "" for what only daemon.json can set
	Kind Kind   // of the key's value
	// New: dockerd 20.10 does not know the key or the flag.
	New bool
	// Until names the first dockerd that does not know it any more: "23.0".
	Until string
	// Reload: dockerd takes a new value on SIGHUP. Without Reload it silently
	// ignores a new value until it is restarted.
	Reload bool
}

// A Kind is the kind of JSON value that a key takes. Its text form is "a
// string" and so on.
type Kind = enum.Of[kindNames]

const (
	KindString Kind = iota + 1
	KindNumber      // a whole number
	KindBool
	KindList
	KindObject // dockerd reads the members of any other object as keys at the top
)

type kindNames struct{}

func (kindNames) Names() (string, []string) {
	return "Kind", []string{"nothing", "a string", "a whole number", "true or false", "a list", "an object"}
}

// KeyOption returns the option of a key of daemon.json in dockerd 20.10 to 29.
func KeyOption(key string) (Option, bool) {
	return find(key, func(o Option) string { return o.Key })
}

// Options returns all known options.
func Options() []Option { return slices.Clone(options) }

// flagOption returns the option of a long flag.
func flagOption(name string) (Option, bool) {
	return find(name, func(o Option) string { return o.Flag })
}

func find(name string, of func(Option) string) (Option, bool) {
	for _, o := range options {
		if name != "" && of(o) == name {
			return o, true
		}
	}
	return Option{}, false
}

// SimilarKey returns the key that a misspelled one means, or "": log_level
// for log-level.
func SimilarKey(key string) string {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", " ", "", "-", "").Replace(strings.ToLower(s))
	}
	for _, o := range options {
		if o.Key != "" && plain(o.Key) == plain(key) {
			return o.Key
		}
	}
	return ""
}

// options is from daemon/config and daemon/command of dockerd's source; tests
// compare it with dockerd 20.10 and a current one.
var options = []Option{
	{Key: "allow-direct-routing", Flag: "allow-direct-routing", Kind: KindBool, New: true},
	{Key: "allow-nondistributable-artifacts", Flag: "allow-nondistributable-artifacts", Kind: KindList},
	{Key: "api-cors-header", Flag: "api-cors-header", Kind: KindString, Until: "28.0"},
	{Key: "apparmor-profile", Flag: "apparmor-profile", Kind: KindString, New: true},
	{Key: "authorization-plugins", Flag: "authorization-plugin", Kind: KindList, Reload: true},
	{Key: "bip", Flag: "bip", Kind: KindString},
	{Key: "bip6", Flag: "bip6", Kind: KindString, New: true},
	{Key: "bridge", Flag: "bridge", Kind: KindString},
	{Key: "bridge-accept-fwmark", Flag: "bridge-accept-fwmark", Kind: KindString, New: true},
	{Key: "builder", Kind: KindObject},
	{Key: "cdi-spec-dirs", Flag: "cdi-spec-dir", Kind: KindList, New: true},
	{Key: "cgroup-parent", Flag: "cgroup-parent", Kind: KindString},
	{Key: "cluster-advertise", Flag: "cluster-advertise", Kind: KindString, Until: "23.0"},
	{Key: "cluster-store", Flag: "cluster-store", Kind: KindString, Until: "23.0"},
	{Key: "cluster-store-opts", Flag: "cluster-store-opt", Kind: KindObject, Until: "23.0"},
	{Flag: "config-file", Kind: KindString},
	{Key: "containerd", Flag: "containerd", Kind: KindString},
	{Key: "containerd-namespace", Flag: "containerd-namespace", Kind: KindString},
	{Key: "containerd-plugins-namespace", Flag: "containerd-plugins-namespace", Kind: KindString},
	{Key: "cpu-rt-period", Flag: "cpu-rt-period", Kind: KindNumber},
	{Key: "cpu-rt-runtime", Flag: "cpu-rt-runtime", Kind: KindNumber},
	{Key: "cri-containerd", Flag: "cri-containerd", Kind: KindBool},
	{Key: "data-root", Flag: "data-root", Kind: KindString},
	{Key: "debug", Flag: "debug", Kind: KindBool, Reload: true},
	{Key: "default-address-pools", Flag: "default-address-pool", Kind: KindList},
	{Key: "default-cgroupns-mode", Flag: "default-cgroupns-mode", Kind: KindString, Reload: true},
	{Key: "default-gateway", Flag: "default-gateway", Kind: KindString},
	{Key: "default-gateway-v6", Flag: "default-gateway-v6", Kind: KindString},
	{Key: "default-ipc-mode", Flag: "default-ipc-mode", Kind: KindString, Reload: true},
	{Key: "default-network-opts", Flag: "default-network-opt", Kind: KindObject, New: true},
	{Key: "default-runtime", Flag: "default-runtime", Kind: KindString, Reload: true},
	{Key: "default-shm-size", Flag: "default-shm-size", Kind: KindString, Reload: true},
	{Key: "default-stop-timeout", Flag: "default-stop-timeout", Kind: KindNumber, New: true, Reload: true},
	{Key: "default-ulimits", Flag: "default-ulimit", Kind: KindObject},
	{Key: "deprecated-key-path", Kind: KindString},
	{Key: "dns", Flag: "dns", Kind: KindList},
	{Key: "dns-opts", Flag: "dns-opt", Kind: KindList},
	{Key: "dns-search", Flag: "dns-search", Kind: KindList},
	{Key: "exec-opts", Flag: "exec-opt", Kind: KindList},
	{Key: "exec-root", Flag: "exec-root", Kind: KindString},
	{Key: "experimental", Flag: "experimental", Kind: KindBool},
	{Key: "extension-config", Kind: KindObject, New: true},
	{Key: "extension-dirs", Flag: "extension-dir", Kind: KindList, New: true},
	{Key: "features", Flag: "feature", Kind: KindObject, Reload: true},
	{Key: "firewall-backend", Flag: "firewall-backend", Kind: KindString, New: true},
	{Key: "fixed-cidr", Flag: "fixed-cidr", Kind: KindString},
	{Key: "fixed-cidr-v6", Flag: "fixed-cidr-v6", Kind: KindString},
	{Key: "graph", Flag: "graph", Kind: KindString, Until: "23.0"},
	{Key: "group", Flag: "group", Kind: KindString},
	{Flag: "help", Kind: KindBool},
	{Key: "host-gateway-ip", Flag: "host-gateway-ip", Kind: KindString},
	{Key: "host-gateway-ips", Flag: "host-gateway-ip", Kind: KindList, New: true},
	{Key: "hosts", Flag: "host", Kind: KindList},
	{Key: "http-proxy", Flag: "http-proxy", Kind: KindString, New: true},
	{Key: "https-proxy", Flag: "https-proxy", Kind: KindString, New: true},
	{Key: "icc", Flag: "icc", Kind: KindBool},
	{Key: "init", Flag: "init", Kind: KindBool},
	{Key: "init-path", Flag: "init-path", Kind: KindString},
	{Key: "insecure-registries", Flag: "insecure-registry", Kind: KindList, Reload: true},
	{Key: "ip", Flag: "ip", Kind: KindString},
	{Key: "ip-forward", Flag: "ip-forward", Kind: KindBool},
	{Key: "ip-forward-no-drop", Flag: "ip-forward-no-drop", Kind: KindBool, New: true},
	{Key: "ip-masq", Flag: "ip-masq", Kind: KindBool},
	{Key: "ip6tables", Flag: "ip6tables", Kind: KindBool},
	{Key: "iptables", Flag: "iptables", Kind: KindBool},
	{Key: "ipv6", Flag: "ipv6", Kind: KindBool},
	{Key: "labels", Flag: "label", Kind: KindList, Reload: true},
	{Key: "live-restore", Flag: "live-restore", Kind: KindBool, Reload: true},
	{Key: "log-driver", Flag: "log-driver", Kind: KindString},
	{Key: "log-format", Flag: "log-format", Kind: KindString, New: true},
	{Key: "log-level", Flag: "log-level", Kind: KindString},
	{Key: "log-opts", Flag: "log-opt", Kind: KindObject},
	{Key: "max-concurrent-downloads", Flag: "max-concurrent-downloads", Kind: KindNumber, Reload: true},
	{Key: "max-concurrent-uploads", Flag: "max-concurrent-uploads", Kind: KindNumber, Reload: true},
	{Key: "max-download-attempts", Flag: "max-download-attempts", Kind: KindNumber, Reload: true},
	{Key: "metrics-addr", Flag: "metrics-addr", Kind: KindString},
	{Key: "min-api-version", Kind: KindString, New: true},
	{Key: "mtu", Flag: "mtu", Kind: KindNumber},
	{Key: "network-control-plane-mtu", Flag: "network-control-plane-mtu", Kind: KindNumber},
	{Key: "network-diagnostic-port", Flag: "network-diagnostic-port", Kind: KindNumber, Reload: true},
	{Key: "no-new-privileges", Flag: "no-new-privileges", Kind: KindBool},
	{Key: "no-proxy", Flag: "no-proxy", Kind: KindString, New: true},
	{Key: "node-generic-resources", Flag: "node-generic-resource", Kind: KindList},
	{Key: "nri-opts", Flag: "nri-opts", Kind: KindObject, New: true, Reload: true},
	{Key: "oom-score-adjust", Flag: "oom-score-adjust", Kind: KindNumber, Until: "25.0"},
	{Key: "pidfile", Flag: "pidfile", Kind: KindString},
	{Key: "raw-logs", Flag: "raw-logs", Kind: KindBool},
	{Key: "registry-mirrors", Flag: "registry-mirror", Kind: KindList, Reload: true},
	{Flag: "restart", Kind: KindBool, Until: "23.0"},
	{Key: "rootless", Flag: "rootless", Kind: KindBool},
	{Key: "runtimes", Flag: "add-runtime", Kind: KindObject, Reload: true},
	{Key: "seccomp-profile", Flag: "seccomp-profile", Kind: KindString},
	{Key: "selinux-enabled", Flag: "selinux-enabled", Kind: KindBool},
	{Key: "shutdown-timeout", Flag: "shutdown-timeout", Kind: KindNumber, Reload: true},
	{Key: "storage-driver", Flag: "storage-driver", Kind: KindString},
	{Key: "storage-opts", Flag: "storage-opt", Kind: KindList},
	{Key: "swarm-default-advertise-addr", Flag: "swarm-default-advertise-addr", Kind: KindString},
	{Key: "tls", Flag: "tls", Kind: KindBool},
	{Key: "tlscacert", Flag: "tlscacert", Kind: KindString},
	{Key: "tlscert", Flag: "tlscert", Kind: KindString},
	{Key: "tlskey", Flag: "tlskey", Kind: KindString},
	{Key: "tlsverify", Flag: "tlsverify", Kind: KindBool},
	{Key: "userland-proxy", Flag: "userland-proxy", Kind: KindBool},
	{Key: "userland-proxy-path", Flag: "userland-proxy-path", Kind: KindString},
	{Key: RemapKey, Flag: RemapKey, Kind: KindString},
	{Flag: "validate", Kind: KindBool, New: true},
	{Flag: "version", Kind: KindBool},
}

// RemapKey is the setting that this module is about.
const RemapKey = "userns-remap"

// short are the one-letter flags.
var short = map[byte]string{
	'b': "bridge", 'D': "debug", 'g': "graph", 'G': "group", 'h': "help", 'H': "host", 'l': "log-level",
	'p': "pidfile", 'r': "restart", 's': "storage-driver", 'v': "version",
}
