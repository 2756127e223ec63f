package verify

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// kernelChecks are the checks of the kernel and its boot configuration.
var kernelChecks = []check{k01, k02, k03, k04, k05, k06, k07, k08}

var k01 = check{
	Check: Check{
		ID: "K01", Name: "userns-compiled", Severity: Critical,
		Title:  "The kernel has user namespaces",
		Why:    "Without CONFIG_USER_NS a daemon that is to remap does not start.",
		Reads:  "/proc/self/ns/user on the running host; /boot/config-* of a tree of files.",
		Remedy: "Boot a kernel built with CONFIG_USER_NS=y.",
	},
	needs: facts.NeedKernel,
	judge: func(j *judge) {
		k := j.Kernel
		for _, c := range k.Configs {
			switch {
			case c.Err != nil:
				j.unknown(c.File, "whether it has user namespaces is not known: %v", c.Err)
			case c.Userns:
				j.pass(c.File, "this kernel has user namespaces").saw(c.File, "CONFIG_USER_NS=y", "CONFIG_USER_NS=y")
			default:
				j.fail(c.File, "this kernel is built without user namespaces").saw(c.File, "CONFIG_USER_NS is not set", "CONFIG_USER_NS=y")
			}
		}
		link := j.ProcPath("self/ns/user")
		switch {
		case len(k.Configs) > 0: // of a tree of files
		case !j.HasProc:
			j.skip("host", "%s, and it has no /boot/config-*", facts.Offline)
		case k.NSUser.Err == nil:
			j.pass("host", "the kernel has user namespaces").saw(link, k.NSUser.Value, "")
		case facts.IsNotExist(k.NSUser.Err) && k.ProcSeen:
			j.fail("host", "the kernel has no user namespaces").saw(link, "no such file", "user:[...]")
		default:
			j.unknown("host", "cannot be read: %v", k.NSUser.Err)
		}
	},
}

var k02 = check{
	Check: Check{
		ID: "K02", Name: "max-userns", Severity: Critical,
		Title:  "The kernel lets user namespaces be made",
		Why:    "user.max_user_namespaces is 0 on RHEL 7 and after some hardening profiles: containers then fail to start with ENOSPC.",
		Reads:  "/proc/sys/user/max_user_namespaces and the namespaces in use. Skipped for a tree of files.",
		Remedy: "Raise user.max_user_namespaces.",
	},
	needs:  facts.NeedKernel | facts.NeedProcesses,
	unless: (*judge).offline,
	judge: func(j *judge) {
		source := j.ProcPath("sys/user/max_user_namespaces")
		now := j.Kernel.MaxUserns.Value
		limit, err := strconv.Atoi(now)
		used := len(j.Scan.Namespaces)
		const raise = "sysctl -w user.max_user_namespaces=15000"
		switch {
		case j.Kernel.MaxUserns.Err != nil:
			j.unknown("host", "cannot be read: %v", j.Kernel.MaxUserns.Err)
		case err != nil:
			j.unknown("host", "%s is not a number: %q", source, now)
		case limit <= 0:
			j.fail("host", "the kernel lets nobody make a user namespace: containers fail with ENOSPC").saw(source, now, "more than 0").run(raise)
		case limit <= used:
			j.fail("host", "all %d user namespaces that may be made are in use", limit).saw(source, now, "more than "+strconv.Itoa(used)).run(raise)
		case limit-used < 16:
			j.warn("host", "only %d more user namespaces may be made", limit-used).as(Medium).saw(source, now, "").run(raise)
		default:
			j.pass("host", "%d user namespaces may be made, %d are in use", limit, used).saw(source, now, "more than 0")
		}
	},
}

var k03 = check{
	Check: Check{
		ID: "K03", Name: "max-userns-persistent", Severity: High,
		Title:  "No file sets user.max_user_namespaces to 0 at the next boot",
		Why:    "A STIG profile leaves such a file; the host works until it is rebooted.",
		Reads:  "sysctl.d(5) directories and /etc/sysctl.conf, in the order in which they are applied.",
		Remedy: "Remove the line, or override it in a file that is read later.",
	},
	needs: facts.NeedKernel | facts.NeedGates,
	judge: func(j *judge) {
		const repair = "echo user.max_user_namespaces=15000 >/etc/sysctl.d/zz-usernskit.conf"
		list := j.gates(func(g gates.Gate) bool { return g.Name == "user.max_user_namespaces" }, "this kernel has no such limit")
		for _, g := range list {
			n, err := strconv.ParseInt(g.AtBoot, 0, 64)
			switch {
			case g.AtBoot == "" && g.State == gates.StateShut && j.Kernel.MaxUserns.Value == g.Now && g.Now != "":
				j.skip("host", "no file sets it, see K02 for what it is now")
			case g.AtBoot == "" && g.State == gates.StateShut:
				j.fail("host", "user.max_user_namespaces is %s", g.Text).run(repair)
			case g.AtBoot == "":
				j.pass("host", "no file sets user.max_user_namespaces")
			case err != nil || n <= 0:
				j.fail(g.Where, "user.max_user_namespaces is set to %s at every boot", g.AtBoot).saw(g.Where, g.AtBoot, "more than 0, or no line").run(repair)
			default:
				j.pass(g.Where, "user.max_user_namespaces is set to %s at boot", g.AtBoot).saw(g.Where, g.AtBoot, "more than 0")
			}
		}
	},
}

// gates returns the gates of one kind that matter to this kernel. It adds a
// skip if there are none, or unknown if they could not be read.
func (j *judge) gates(kind func(gates.Gate) bool, none string) []gates.Gate {
	if err := j.Kernel.Gates.Err; err != nil {
		j.unknown("host", "%v", err)
		return nil
	}
	list := slices.DeleteFunc(slices.Clone(j.Kernel.Gates.Value.List), func(g gates.Gate) bool { return !kind(g) })
	if len(list) == 0 {
		j.skip("host", "%s", none)
	}
	return list
}

var k04 = check{
	Check: Check{
		ID: "K04", Name: "userns-clone", Severity: Info,
		Title: "How unprivileged user namespaces are restricted",
		Why:   "For information: these restrictions do not reach a daemon that runs as root, and remapping needs none of them lifted.",
		Reads: "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns. Skipped where the kernel has neither.",
	},
	needs:  facts.NeedGates,
	unless: (*judge).offline,
	judge: func(j *judge) {
		list := j.gates(func(g gates.Gate) bool { return g.State == gates.StateHarmless }, "this kernel has no such restriction")
		if len(list) == 0 {
			return
		}
		fi := j.pass("host", "unprivileged user namespaces are not restricted, which a daemon that runs as root does not need")
		for _, g := range list {
			// unprivileged_userns_clone restricts them with 0, the other sysctl
			// with any other value.
			if (g.Now == "0") == strings.HasSuffix(g.Name, "unprivileged_userns_clone") {
				fi.Text = "unprivileged user namespaces are restricted, which does not affect a daemon that runs as root"
			}
			fi.saw(g.Name, g.Now, "")
		}
	},
}

var k05 = check{
	Check: Check{
		ID: "K05", Name: "boot-args", Severity: High,
		Title:  "The running kernel was booted with what it needs for user namespaces",
		Why:    "RHEL 7 and its rebuilds refuse user namespaces unless told otherwise on the kernel command line.",
		Reads:  "the kernel's gates as package bootargs knows them. Skipped where this kernel needs nothing.",
		Remedy: "Add the arguments and reboot.",
	},
	needs: facts.NeedGates,
	judge: func(j *judge) {
		for _, g := range j.bootGates() {
			arg := g.Name + "=" + g.Want
			switch {
			case !j.HasProc:
				j.skip(g.Name, facts.Offline)
			case g.Now == g.Want:
				j.pass(g.Name, "the running kernel was booted with %s", arg).saw("/proc/cmdline", g.Name+"="+g.Now, arg)
			default:
				j.fail(g.Name, "the running kernel was not booted with %s: %s", arg, g.Text).saw("/proc/cmdline", cmp.Or(g.Now, "not set"), arg).fix(FixBootArg, arg)
			}
		}
	},
}

// bootGates returns the kernel arguments that this kernel needs.
func (j *judge) bootGates() []gates.Gate {
	return j.gates(func(g gates.Gate) bool { return g.Arg }, "this kernel needs no argument")
}

var k06 = check{
	Check: Check{
		ID: "K06", Name: "pending-reboot", Severity: Medium,
		Title:  "The boot configuration says what the running kernel was told",
		Why:    "An argument that is only in the running command line is gone after a reboot, one that is only in the configuration is not in force yet.",
		Reads:  "/proc/cmdline and the boot loader's files. Skipped where this kernel needs no argument.",
		Remedy: "Reboot, or put the arguments into the boot configuration.",
	},
	needs: facts.NeedGates,
	judge: func(j *judge) {
		for _, g := range j.bootGates() {
			arg := g.Name + "=" + g.Want
			source := cmp.Or(g.Where, "boot configuration")
			switch {
			case g.State == gates.StateUnknown:
				j.unknown(g.Name, "%s", g.Text)
			case !j.HasProc && g.AtBoot == g.Want:
				j.pass(g.Name, "%s is configured", arg).saw(source, g.AtBoot, g.Want)
			case g.AtBoot == g.Want && g.Now == g.Want:
				j.pass(g.Name, "%s is configured and running", arg).saw(source, g.AtBoot, g.Want)
			case g.AtBoot == g.Want:
				j.fail(g.Name, "%s is configured and takes a reboot", arg).saw(source, g.AtBoot, g.Want).saw("/proc/cmdline", cmp.Or(g.Now, "not set"), g.Want).run("reboot")
			default:
				j.fail(g.Name, "%s is not configured for the next boot", arg).saw(source, cmp.Or(g.AtBoot, "not set"), g.Want).fix(FixBootArg, arg)
			}
		}
	},
}

var k07 = check{
	Check: Check{
		ID: "K07", Name: "selftest-map", Severity: Critical,
		Title:  "The kernel accepts the very map that is configured, and reads it back",
		Why:    "The one test that no file can fake: a process is started in that map and its IDs are read from outside.",
		Reads:  "a child process. Unknown without root; skipped for a tree of files and where no map is configured.",
		Remedy: "See the text: ENOSPC is a limit (K02), EPERM a missing right or a security module, EINVAL a map that the kernel refuses.",
	},
	needs: facts.NeedProbe,
	judge: func(j *judge) {
		k := j.Kernel
		want := j.IDs.Want()
		badMap := errors.Join(j.IDs.UID.MapErr, j.IDs.GID.MapErr)
		var p *probe.Error
		refused := errors.As(k.Probe, &p) && os.Geteuid() == 0 // otherwise it could not be tried
		switch {
		case j.NoProbe() != "" && badMap != nil:
			j.fail("host", "the kernel takes no such map: %v", badMap)
		case j.NoProbe() == facts.Offline:
			j.skip("host", facts.Offline)
		case j.unmapped():
		case k.Probe == nil:
			j.pass("host", "a process was started in this map and read back").saw("/proc/PID/uid_map", want.UID.String(), want.UID.String()).
				saw("/proc/PID/gid_map", want.GID.String(), want.GID.String())
		case refused:
			j.fail("host", "%v", k.Probe).saw("kernel", k.Probe.Error(), want.String()).know(cmp.Or(p.Remedy, j.check.Remedy))
		default:
			fi := j.unknown("host", "%v", k.Probe)
			if os.Geteuid() != 0 {
				fi.know("Run it as root of the host.")
			}
		}
	},
}

var k08 = check{
	Check: Check{
		ID: "K08", Name: "selftest-ipc", Severity: Info,
		Title: "Whether --ipc=host can work in a remapped container",
		Why:   "Docker does not refuse --ipc=host under remapping; on most kernels the container then fails to start, since mqueue cannot be mounted.",
		Reads: "a child process that tries the mount. Skipped without root and for a tree of files.",
	},
	needs: facts.NeedProbeIPC,
	judge: func(j *judge) {
		k := j.Kernel
		var p *probe.Error
		switch {
		case j.NoProbe() != "":
			j.skip("host", "%s", j.NoProbe())
		case j.Helper == (probe.Helper{}):
			j.skip("host", "this program gave no helper to try it with")
		case k.ProbeIPC == nil:
			j.pass("host", "a remapped container may share the host's IPC namespace")
		case errors.As(k.ProbeIPC, &p):
			j.pass("host", "--ipc=host does not work in a remapped container on this kernel").saw("kernel", k.ProbeIPC.Error(), "")
		default:
			j.skip("host", "could not be tried: %v", k.ProbeIPC)
		}
	},
}
