package bootargs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
)

// Gates is what stands between a host and a rootful Docker with remapping:
// kernel arguments and sysctls that switch user namespaces off or limit them.
type Gates struct {
	Distro string // "centos 7.4"
	Kernel string // "3.10.0-693.el7.x86_64", "" where it cannot be told
	List   []Gate
}

// A Gate is one argument or sysctl.
type Gate struct {
	Name   string // "user_namespace.enable", "user.max_user_namespaces"
	Arg    bool   // a kernel argument, not a sysctl
	Want   string // the least value that will do; "" for gates that are only shown
	Now    string // "" where it cannot be told: the tree of another host, say
	AtBoot string // what the files say for the next boot; "" for the kernel's default
	Where  string // file:line of AtBoot
	State  GateState
	Text   string // why it matters, or why not
}

// A GateState says whether a gate is open.
type GateState int

const (
	Open     GateState = iota
	Shut               // now, or from the next boot on
	Unknown            // cannot be told from what this host shows
	Harmless           // shown because people ask: it does not concern root
)

// String returns "open", "shut", "unknown" or "harmless".
func (s GateState) String() string {
	return [...]string{"open", "shut", "unknown", "harmless"}[s&3]
}

// Shut returns the gates that keep user namespaces from working.
func (g Gates) Shut() []Gate {
	var list []Gate
	for _, gate := range g.List {
		if gate.State == Shut {
			list = append(list, gate)
		}
	}
	return list
}

// MaxUserNamespaces is what PlanGates sets user.max_user_namespaces to. Each
// remapped container counts as one, all of them on account of root.
const MaxUserNamespaces = 15000

// Fewer user namespaces than this are too few for a host of containers.
const leastUserNamespaces = 1024

// ReadGates looks at the gates of a host. The files below /proc and /sys that
// it reads are the host's own: a tree without them is judged by its release,
// its newest kernel and its configuration, never by the kernel that runs here.
func ReadGates(h usernskit.Host) (Gates, error) {
	s := newSite(h)
	g := readGates(s)
	if s.err != nil {
		return Gates{}, s.err
	}
	return g, nil
}

// readGates looks for the boot loader only where an argument is needed: its
// files are often readable by root alone.
func readGates(s *site) Gates {
	g := Gates{Distro: s.Distro, Kernel: s.kernelRelease()}
	era := enterprise7(s.release, g.Kernel)
	switch {
	case era == beforeUserNS:
		g.List = append(g.List, Gate{Name: "CONFIG_USER_NS", State: Shut, Text: "the kernels of EL 7.0 and 7.1 have no user namespaces: update to 7.6 or later"})
	case s.exists("/proc/self/ns") && !s.exists("/proc/self/ns/user"):
		g.List = append(g.List, Gate{Name: "CONFIG_USER_NS", State: Shut, Text: "this kernel is built without user namespaces: another kernel is needed"})
	}
	for i, arg := range era.args() {
		if i == 0 {
			s.findLoader()
		}
		g.List = append(g.List, argGate(s, arg, era))
	}
	files := sysctlFiles(s)
	if era != beforeUserNS && era != el72 {
		g.List = append(g.List, limitGate(s, files, "user.max_user_namespaces", leastUserNamespaces, era.zeroByDefault()))
		for _, kind := range []string{"mnt", "pid", "ipc", "uts", "net", "cgroup"} {
			if gate := limitGate(s, files, "user.max_"+kind+"_namespaces", 1, false); gate.State == Shut {
				g.List = append(g.List, gate)
			}
		}
	}
	for _, info := range []struct{ name, text string }{
		{"kernel.unprivileged_userns_clone", "0 is the hardened value and fine: dockerd makes its namespaces as root"},
		{"kernel.apparmor_restrict_unprivileged_userns", "1 is the hardened value and fine: dockerd makes its namespaces as root"},
	} {
		if now := procSys(s, info.name); now != "" {
			g.List = append(g.List, Gate{Name: info.name, Now: now, State: Harmless, Text: info.text})
		}
	}
	return g
}

// kernelRelease is the release of the kernel that runs, or in a tree of the
// newest one that is installed.
func (s *site) kernelRelease() string {
	if now := procSys(s, "kernel.osrelease"); now != "" {
		return now
	}
	if s.h.Live() {
		return ""
	}
	best := ""
	for _, dir := range []string{"/usr/lib/modules", "/lib/modules"} {
		list, _ := s.h.ReadDir(dir)
		for _, d := range list {
			if best == "" || compareVersions(d.Name(), best) > 0 {
				best = d.Name()
			}
		}
	}
	return best
}

// An era is a stretch of EL7 releases with the same gates.
type era int

const (
	notEL7       era = iota
	beforeUserNS     // 7.0, 7.1
	el72             // 7.2, 7.3: off by default
	el74             // 7.4, 7.5: limit 0 by default, mount namespaces off inside
	el76             // 7.6 and later: limit 0 by default
	someEL7          // cannot be told which: both arguments do no harm
)

// enterprise7 goes by the build number of the kernel, since a release of 7.9
// may still run the kernel of 7.3; without one by the release.
func enterprise7(r release, kernel string) era {
	major, minor, ok := r.enterprise()
	rest, old := strings.CutPrefix(kernel, "3.10.0-")
	switch {
	case !ok || major != 7 || kernel != "" && !old: // a newer kernel than its own
		return notEL7
	case old:
		n, _, _ := strings.Cut(rest, ".")
		build, err := strconv.Atoi(n)
		if err != nil {
			return someEL7
		}
		switch {
		case build < 327:
			return beforeUserNS
		case build < 693:
			return el72
		case build < 957:
			return el74
		}
		return el76
	case minor < 0:
		return someEL7
	}
	return [...]era{beforeUserNS, beforeUserNS, el72, el72, el74, el74, el76}[min(minor, 6)]
}

// args are the kernel arguments that an era needs.
func (e era) args() []string {
	switch e {
	case el72:
		return []string{"user_namespace.enable=1"}
	case el74:
		return []string{"namespace.unpriv_enable=1"}
	case someEL7:
		return []string{"user_namespace.enable=1", "namespace.unpriv_enable=1"}
	}
	return nil
}

func (e era) zeroByDefault() bool { return e == el74 || e == el76 || e == someEL7 }

func argGate(s *site, arg string, era era) Gate {
	want, _ := ParseArg(arg)
	gate := Gate{Name: want.Name, Arg: true, Want: want.Value, State: Shut}
	switch {
	case era == someEL7:
		gate.Text = "kernels of EL 7.2 to 7.5 need it, others ignore it; which one this is cannot be told"
	case era == el72:
		gate.Text = "the kernels of EL 7.2 and 7.3 have user namespaces switched off without it"
	default:
		gate.Text = "the kernels of EL 7.4 and 7.5 refuse mount namespaces inside user namespaces without it"
	}
	now := s.read("/proc/cmdline")
	if a, ok := Parse(string(now)).Effective(want.Name); ok {
		gate.Now = a.Value
		if !a.HasValue {
			gate.Now = "1"
		}
	}
	if param := s.read("/sys/module/user_namespace/parameters/enable"); param != nil && era == el72 {
		gate.Now = strings.TrimSpace(string(param)) // "Y": what the kernel made of it
	}
	p := &planner{site: s, edit: Edit{Set: []string{arg}}}
	err := p.run()
	configured := err == nil && p.plan.Empty() && len(p.plan.Actions) == 0
	if configured {
		gate.AtBoot = want.Value
	}
	switch {
	case err != nil:
		gate.Text += "; its place could not be found: " + err.Error()
		if !errors.Is(err, ErrOwned) && !errors.Is(err, ErrNoLoader) {
			gate.State = Unknown
		}
		if truthy(gate.Now) {
			gate.State = Open
		}
	case configured && (now == nil || truthy(gate.Now)):
		gate.State = Open
	}
	return gate
}

// truthy is kstrtobool() for what people write.
func truthy(v string) bool { return v == "1" || v == "y" || v == "Y" }

func limitGate(s *site, files []sysctlFile, name string, least int, zero bool) Gate {
	gate := Gate{Name: name, Want: strconv.Itoa(least), Now: procSys(s, name)}
	gate.Text = "each remapped container takes one, all on account of root"
	enough := func(v string) bool {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64)
		return err == nil && n >= int64(least)
	}
	if set, ok := lookup(files, name); ok {
		gate.AtBoot, gate.Where = set.value, fmt.Sprintf("%s:%d", set.file, set.line)
	}
	switch {
	case gate.Now == "" && s.exists("/proc/sys/kernel"):
		gate.Text = "this kernel has no such limit"
	case gate.AtBoot != "" && !enough(gate.AtBoot):
		gate.State = Shut
		gate.Text = "set too low at the next boot by " + gate.Where
	case gate.Now != "" && !enough(gate.Now):
		gate.State = Shut
		gate.Text = "too low now; " + gate.Text
	case gate.AtBoot == "" && zero:
		gate.State = Shut
		gate.Text = "0 by default in the kernels of EL 7.4 and later, and no file sets it"
	}
	return gate
}
