//go:build linux

package machine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBoot(t *testing.T) {
	t.Run("every process of the host is seen, and verify says yes", seesEverything)
	t.Run("kernel arguments and limits over reboots", overReboots)
}

// section is what a script wrote after the line "== name", up to the next such
// line or the end.
func section(t *testing.T, out, name string) string {
	t.Helper()
	_, after, found := strings.Cut(out, "== "+name+"\n")
	assert.True(t, found, "no section %s in:\n%s", name, out)
	text, _, _ := strings.Cut(after, "\n== ")
	return text
}

// This is the machine whose PID namespace is the host's, so nothing may be
// unknown.
func seesEverything(t *testing.T) {
	out := NewVM(t, Debian13).Must(`
find /etc -type f ! -name '*-' -exec sha256sum {} + | sort >before
remapctl enable --yes --restart --start 123000
` + box + `docker run --detach --name one --network none box sleep 600
pid=$(docker inspect --format '{{.State.Pid}}' one)
echo "== map"
cat /proc/$pid/uid_map
echo "== profile"
cat /proc/$pid/attr/current
echo "== engine"
docker info --format 'cgroup {{.CgroupVersion}} {{.CgroupDriver}}'
echo "== verify"
remapctl verify
echo "== undo"
docker rm --force one
remapctl undo --yes
systemctl restart docker
find /etc -type f ! -name '*-' -exec sha256sum {} + | sort >after
diff before after || true
echo "== verify after undo"
remapctl verify || echo "exit code $?"
`)
	assert.Equal(t, []string{"0", "123000", "65536"}, strings.Fields(section(t, out, "map")))
	assert.Equal(t, "docker-default (enforce)", section(t, out, "profile"), "AppArmor confines the container as before")
	assert.Equal(t, "cgroup 2 systemd", section(t, out, "engine"))
	verify := section(t, out, "verify")
	assert.Contains(t, verify, " 0 unknown")
	assert.Regexp(t, "remapped: yes, every process of this daemon's one container, as the kernel says", verify)
	for line := range strings.Lines(section(t, out, "undo")) {
		if strings.HasPrefix(line, "<") || strings.HasPrefix(line, ">") {
			assert.Regexp(t, `/etc/(passwd|group|shadow|gshadow)\n?$`, line, "dockerd makes the account, nothing else stays")
		}
	}
	after := section(t, out, "verify after undo")
	assert.Contains(t, after, "remapped: no")
	assert.Contains(t, after, "exit code 1")
}

func overReboots(t *testing.T) {
	if !long() {
		t.Skip("USERNSKIT_LONG is not set")
	}
	const arg = "user_namespace.enable=1"
	v := NewVM(t, Debian13)
	out := v.Must(`update-grub
remapctl enable --yes --restart
remapctl bootargs set --yes ` + arg + `
update-grub
echo "== show"
remapctl bootargs show ` + arg + ` || true
echo 'user.max_user_namespaces=0' >/etc/sysctl.d/99-hardening.conf
` + box)
	assert.Regexp(t, `state +pending-reboot`, section(t, out, "show"))

	out = v.Must(`cat /proc/cmdline
echo "== show"
remapctl bootargs show ` + arg + `
echo "== run"
docker run --rm --network none box true || echo "exit code $?"
echo "== verify"
remapctl verify || echo "exit code $?"
echo "== preflight"
remapctl preflight || echo "exit code $?"
echo "== undo"
remapctl undo --yes
update-grub
echo "== undone"
remapctl bootargs show ` + arg + ` || true
echo "== enable"
remapctl enable --yes --restart || echo "exit code $?"
docker run --rm --network none box true && echo "a container ran"
`)
	assert.Contains(t, out, arg, "GRUB handed it over")
	assert.Regexp(t, `state +active`, section(t, out, "show"))
	assert.Contains(t, section(t, out, "run"), "exit code", "the limit is 0")
	verify := section(t, out, "verify")
	assert.Regexp(t, `fail +K02`, verify)
	assert.Contains(t, verify, "exit code 1")
	assert.Regexp(t, `max_user_namespaces|K02`, section(t, out, "preflight"))
	assert.Contains(t, section(t, out, "preflight"), "exit code")
	assert.NotRegexp(t, `state +active`, section(t, out, "undone"))
	assert.Contains(t, section(t, out, "enable"), "a container ran", "the plan's limit is in force before docker restarts")

	out = v.Must(`echo "== show"
remapctl bootargs show ` + arg + ` || true
echo "== limit"
cat /proc/sys/user/max_user_namespaces
echo "== verify"
docker run --detach --network none box sleep 600
remapctl verify
`)
	assert.Regexp(t, `state +missing`, section(t, out, "show"))
	assert.NotEqual(t, "0", section(t, out, "limit"), "the plan's file wins over the hardening")
	assert.Contains(t, section(t, out, "verify"), "remapped: yes, every process")
}
