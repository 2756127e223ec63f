// Package gates reports what a host's kernel needs before user namespaces work
// for a Docker daemon that runs as root, and plans it.
//
//	report, err := gates.Read(ctx, host)
//	for _, gate := range report.Shut() {
//		fmt.Println(gate.Name, gate.Text)
//	}
//	plan, err := gates.Plan(ctx, host)
//
// Current distributions need nothing. The kernels of EL 7.2 to 7.5 need an
// argument, those of EL 7.4 and later a limit above the 0 that they start with,
// and a hardening guide may have set that limit to 0 anywhere.
package gates

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/internal/distro"
	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/internal/hostread"
)

// A Report lists the settings of one host that can block user namespaces:
// kernel arguments and sysctls that switch them off or limit them.
type Report struct {
	Distro string // "centos 7.4"
	Kernel string // "3.10.0-693.el7.x86_64", "" where it is not known
	List   []Gate
}

// A Gate is one argument or sysctl.
type Gate struct {
	Name   string // "user_namespace.enable", "user.max_user_namespaces"
	Arg    bool   // a kernel argument, not a sysctl
	Want   string // the least value that suffices; "" for gates that are only shown
	Now    string // "" where it is not known: in the tree of another host
	AtBoot string // what the files set for the next boot; "" for the kernel's default
	Where  string // file:line of AtBoot
	State  State
	Text   string // why it matters, or why not
}

// A State tells whether a gate is open.
type State = enum.Of[stateNames]

const (
	StateUnknown  State = iota // not known from this host
	StateOpen                  // now and from the next boot on
	StateShut                  // now, or from the next boot on
	StateHarmless              // shown because people ask: it does not concern root
)

type stateNames struct{}

func (stateNames) Names() (string, []string) {
	return "State", []string{"unknown", "open", "shut", "harmless"}
}

// Shut returns the gates that keep user namespaces from working.
func (r Report) Shut() []Gate {
	return slices.DeleteFunc(slices.Clone(r.List), func(g Gate) bool { return g.State != StateShut })
}

// maxUserNamespaces is what Plan sets user.max_user_namespaces to. Each
// remapped container takes one, all of them on root's account.
const maxUserNamespaces = 15000

// leastUserNamespaces is the lowest limit that is enough for a host with
// containers.
const leastUserNamespaces = 1024

// Read looks at the gates of a host. The files below /proc and /sys that it
// reads are the host's own: a tree without them is judged by its release, its
// newest kernel and its configuration, never by the kernel that runs here.
func Read(ctx context.Context, h usernskit.Host) (Report, error) {
	r := newReader(h)
	report := r.report(ctx)
	if err := cmp.Or(r.Err, ctx.Err()); err != nil {
		return Report{}, err
	}
	return report, nil
}

// A reader reads files of a host and keeps the first error.
type reader struct {
	*hostread.Files
	h usernskit.Host
}

func newReader(h usernskit.Host) reader { return reader{hostread.New(h), h} }

// report looks for the boot loader only where an argument is needed: its files
// are often readable by root alone.
func (r *reader) report(ctx context.Context) Report {
	release := r.Release()
	report := Report{Distro: release.String(), Kernel: r.kernelRelease()}
	add := func(gate Gate) { report.List = append(report.List, gate) }
	era := enterprise7(release, report.Kernel)
	switch {
	case era == beforeUserNS:
		add(Gate{Name: "CONFIG_USER_NS", State: StateShut, Text: "the kernels of EL 7.0 and 7.1 have no user namespaces: update to 7.6 or later"})
	case r.Exists("/proc/self/ns") && !r.Exists("/proc/self/ns/user"):
		add(Gate{Name: "CONFIG_USER_NS", State: StateShut, Text: "this kernel is built without user namespaces: another kernel is needed"})
	}
	args, why := era.args()
	for _, name := range args {
		add(r.argGate(ctx, name, why, era))
	}
	if files := r.sysctlFiles(nil); era != beforeUserNS && era != el72 {
		add(r.limitGate(files, "user.max_user_namespaces", leastUserNamespaces, era != notEL7))
		for _, kind := range []string{"mnt", "pid", "ipc", "uts", "net", "cgroup"} {
			if gate := r.limitGate(files, "user.max_"+kind+"_namespaces", 1, false); gate.State == StateShut {
				add(gate)
			}
		}
	}
	for _, info := range []struct{ name, text string }{
		{"kernel.unprivileged_userns_clone", "0 is the hardened value and fine: dockerd makes its namespaces as root"},
		{"kernel.apparmor_restrict_unprivileged_userns", "1 is the hardened value and fine: dockerd makes its namespaces as root"},
	} {
		if now := r.procSys(info.name); now != "" {
			add(Gate{Name: info.name, Now: now, State: StateHarmless, Text: info.text})
		}
	}
	return report
}

// kernelRelease returns the release of the running kernel or, in a tree, of the
// newest installed one.
func (r *reader) kernelRelease() string {
	if now := r.procSys("kernel.osrelease"); now != "" {
		return now
	}
	if r.h.Live() {
		return ""
	}
	best := ""
	for _, dir := range []string{"/usr/lib/modules", "/lib/modules"} {
		list, err := r.h.ReadDir(dir)
		r.Note(err)
		for _, d := range list {
			if best == "" || distro.CompareVersions(d.Name(), best) > 0 {
				best = d.Name()
			}
		}
	}
	return best
}

// An era is a range of EL7 releases with the same gates.
type era int

const (
	notEL7       era = iota
	beforeUserNS     // 7.0, 7.1
	el72             // 7.2, 7.3: off by default
	el74             // 7.4, 7.5: limit 0 by default, mount namespaces off inside
	el76             // 7.6 and later: limit 0 by default
	someEL7          // not known which: both arguments do no harm
)

// enterprise7 goes by the build number of the kernel, since a release of 7.9
// may still run the kernel of 7.3. Without a kernel it goes by the release.
func enterprise7(r distro.Release, kernel string) era {
	major, minor, ok := r.Enterprise()
	rest, old := strings.CutPrefix(kernel, "3.10.0-")
	switch {
	case !ok || major != 7 || kernel != "" && !old: // not an EL7 kernel
		return notEL7
	case old:
		n, _, _ := strings.Cut(rest, ".")
		build, err := strconv.Atoi(n)
		switch {
		case err != nil:
			return someEL7
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

// args returns the kernel arguments that an era needs, and why.
func (e era) args() (args []string, why string) {
	const enable, unpriv = "user_namespace.enable", "namespace.unpriv_enable"
	switch e {
	case el72:
		return []string{enable}, "the kernels of EL 7.2 and 7.3 have user namespaces switched off without it"
	case el74:
		return []string{unpriv}, "the kernels of EL 7.4 and 7.5 refuse mount namespaces inside user namespaces without it"
	case someEL7:
		return []string{enable, unpriv}, "kernels of EL 7.2 to 7.5 need it and others ignore it; which kernel this is could not be read"
	}
	return nil, ""
}

func (r *reader) argGate(ctx context.Context, name, why string, era era) Gate {
	gate := Gate{Name: name, Arg: true, Want: "1", State: StateShut, Text: why}
	now := r.Read("/proc/cmdline")
	if a, ok := bootargs.Cmdline(string(now)).Effective(name); ok {
		gate.Now = a.Value
		if !a.HasValue {
			gate.Now = "1"
		}
	}
	if param := r.Read("/sys/module/user_namespace/parameters/enable"); param != nil && era == el72 {
		gate.Now = strings.TrimSpace(string(param)) // "Y": as the kernel shows it
	}
	plan, err := bootargs.PlanEdit(ctx, r.h, bootargs.Edit{Set: []string{name + "=1"}})
	if err != nil {
		gate.Text += "; where it is configured could not be read: " + err.Error()
	}
	configured := err == nil && plan.Empty() && len(plan.Actions) == 0
	if configured {
		gate.AtBoot = "1"
	}
	switch {
	case err != nil && !notOurs(err):
		gate.State = StateUnknown
	case truthy(gate.Now) && (configured || err != nil), configured && now == nil:
		gate.State = StateOpen
	}
	return gate
}

// notOurs reports whether the error means that another program owns the kernel
// arguments, or that the host has no known boot loader.
func notOurs(err error) bool {
	return errors.Is(err, bootargs.ErrOwned) || errors.Is(err, bootargs.ErrNoLoader)
}

// truthy is kstrtobool() for what people write.
func truthy(v string) bool { return v == "1" || v == "y" || v == "Y" }

func (r *reader) limitGate(files []sysctlFile, name string, least int, zero bool) Gate {
	gate := Gate{Name: name, Want: strconv.Itoa(least), Now: r.procSys(name), State: StateOpen}
	gate.Text = "each remapped container takes one, all on root's account"
	if set, ok := lookup(files, name); ok {
		gate.AtBoot, gate.Where = set.value, fmt.Sprintf("%s:%d", set.file, set.line)
	}
	switch {
	case gate.Now == "" && r.Exists("/proc/sys/kernel"):
		gate.Text = "this kernel has no such limit"
	case gate.AtBoot != "" && !atLeast(gate.AtBoot, gate.Want):
		gate.State = StateShut
		gate.Text = "set too low at the next boot by " + gate.Where
	case gate.Now != "" && !atLeast(gate.Now, gate.Want):
		gate.State = StateShut
		gate.Text = "too low now; " + gate.Text
	case gate.AtBoot == "" && zero:
		gate.State = StateShut
		gate.Text = "0 by default in the kernels of EL 7.4 and later, and no file sets it"
	}
	return gate
}

// notKernel matches numbers of Go that the kernel does not read: binary ones,
// octal ones with 0o, and those with underscores.
var notKernel = regexp.MustCompile(`^[+-]?0[bBoO]|_`)

// atLeast reports whether have, a number as the kernel reads it, is want or more.
func atLeast(have, want string) bool {
	have = strings.TrimSpace(have)
	n, err := strconv.ParseInt(have, 0, 64)
	least, wrong := strconv.ParseInt(want, 10, 64)
	return err == nil && wrong == nil && n >= least && !notKernel.MatchString(have)
}
