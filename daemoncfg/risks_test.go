package daemoncfg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func container(root, id, name string, running string, hostConfig string) string {
	return "-- " + root + "/containers/" + id + "/config.v2.json --\n{\"Name\": \"/" + name + "\", \"State\": {\"Running\": " + running + "}}\n" +
		"-- " + root + "/containers/" + id + "/hostconfig.json --\n" + hostConfig + "\n"
}

func TestRisks(t *testing.T) {
	const base = "-- etc/docker/daemon.json --\n{}\n"
	config := func(text string) string { return "-- etc/docker/daemon.json --\n" + text + "\n" }
	for _, test := range []struct {
		name, tree string
		want       []string // ID and the start of the text
	}{
		{"none", base, nil},
		{"live-restore in the file", config(`{"live-restore": true}`), []string{"live-restore: live-restore is on"}},
		{"live-restore among the flags", "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --live-restore\n", []string{"live-restore: live-restore is on"}},
		{"live-restore switched off", "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --live-restore=false\n" + config(`{}`), nil},
		{"live-restore switched off in other words", "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --live-restore=F --rootless=0\n" + config(`{}`), nil},
		{"live-restore false", config(`{"live-restore": false}`), nil},
		{"swarm", base + "-- var/lib/docker/swarm/docker-state.json --\n{}\n", []string{"swarm: /var/lib/docker/swarm: the node is part of a swarm"}},
		{"swarm below another data-root", config(`{"data-root": "/srv/d"}`) + "-- srv/d/swarm/docker-state.json --\n{}\n-- var/lib/docker/plugins/" + idA + "/config.json --\n{}\n", []string{"swarm: /srv/d/swarm: "}},
		{"plugins", base + "-- var/lib/docker/plugins/" + idA + "/config.json --\n{}\n-- var/lib/docker/plugins/storage/x --\n", []string{"plugins: /var/lib/docker/plugins: 1 managed plugins"}},
		{"a privileged container", base + container("var/lib/docker", idA, "web", "true", `{"Privileged": true, "NetworkMode": "host"}`) + container("var/lib/docker", idB, "ns", "true", `{"PidMode": "host", "IpcMode": "host"}`),
			[]string{"host-containers: web (--privileged --network=host), ns (--pid=host --ipc=host) will need --userns=host"}},
		{"a container that is stopped, and one that is fine", base + container("var/lib/docker", idA, "web", "false", `{"Privileged": true}`) + container("var/lib/docker", idB, "ok", "true", `{"NetworkMode": "bridge", "IpcMode": "private"}`), nil},
		{"a container that asks for the host already", base + container("var/lib/docker", idA, "web", "true", `{"Privileged": true, "UsernsMode": "host"}`), nil},
		{"aufs", config(`{"storage-driver": "aufs"}`), []string{"storage-driver: the storage driver is aufs"}},
		{"overlay2", config(`{"storage-driver": "overlay2"}`), nil},
		{"NFS", base + "-- proc/self/mountinfo --\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:30 / /var/lib/docker rw - nfs4 server:/d rw\n23 21 0:31 / /var/lib/dockerx rw - tmpfs x rw\n", []string{"data-root-nfs: /var/lib/docker is on nfs4"}},
		{"NFS above", base + "-- proc/self/mountinfo --\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:30 / /var rw - nfs server:/d rw\n", []string{"data-root-nfs: /var/lib/docker is on nfs"}},
		{"NFS beside", base + "-- proc/self/mountinfo --\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:30 / /var/lib/doc rw - nfs server:/d rw\n", nil},
		{"NFS hidden by a later mount", base + "-- proc/self/mountinfo --\n22 21 0:30 / /var rw - nfs server:/d rw\n23 21 0:31 / /var rw - xfs x rw\n", nil},
		{"FUSE", base + "-- proc/self/mountinfo --\n22 21 0:30 / /var/lib rw - fuse.sshfs x rw\n", []string{"data-root-nfs: /var/lib/docker is on fuse.sshfs"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newTree(t, test.tree)
			s, err := dockerd.Read(t.Context(), h)
			require.NoError(t, err)
			doc, err := daemoncfg.Open(h, s)
			require.NoError(t, err)
			list, err := daemoncfg.Risks(doc, h)
			require.NoError(t, err)
			require.Len(t, list, len(test.want), "%v", list)
			for i, w := range list {
				assert.True(t, w.Risk)
				assert.True(t, strings.HasPrefix(w.ID+": "+w.Text, test.want[i]), "%s: %s", w.ID, w.Text)
			}
			plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
			require.NoError(t, err)
			assert.Equal(t, list, plan.Warnings, "the plan has the same")
		})
	}
}

func TestADirectoryThatKeepsOthersOutIsARisk(t *testing.T) {
	h := newTree(t, "-- srv/deep/docker/x --\n-- etc/docker/daemon.json --\n{\"data-root\": \"/srv/deep/docker\"}\n")
	dir, err := h.Path("/srv/deep")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o750))
	inner, err := h.Path("/srv/deep/docker")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(inner, 0o700), "dockerd changes the mode of the data-root itself")
	s, err := dockerd.Read(t.Context(), h)
	require.NoError(t, err)
	doc, err := daemoncfg.Open(h, s)
	require.NoError(t, err)
	list, err := daemoncfg.Risks(doc, h)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "data-root-path", list[0].ID)
	assert.Equal(t, "/srv/deep has mode 0750: dockerd does not start while the remapped root cannot pass through it; chmod o+x /srv/deep", list[0].Text)
}

// dockerd resolves its data-root first, so the directories above the link do not
// count.
func TestADataRootBehindALink(t *testing.T) {
	for _, test := range []struct {
		name, closed string
		want         []string
	}{
		{"a directory above its target keeps others out", "/mnt/big", []string{"/mnt/big has mode 0750: dockerd does not start while the remapped root cannot pass through it; chmod o+x /mnt/big"}},
		{"a directory above the link does", "/srv/deep", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newTree(t, "-- mnt/big/docker/x --\n-- srv/deep/x --\n-- etc/docker/daemon.json --\n{\"data-root\": \"/srv/deep/docker\"}\n")
			deep, err := h.Path("/srv/deep")
			require.NoError(t, err)
			require.NoError(t, os.Symlink("/mnt/big/docker", filepath.Join(deep, "docker")))
			dir, err := h.Path(test.closed)
			require.NoError(t, err)
			require.NoError(t, os.Chmod(dir, 0o750))
			s, err := dockerd.Read(t.Context(), h)
			require.NoError(t, err)
			doc, err := daemoncfg.Open(h, s)
			require.NoError(t, err)
			list, err := daemoncfg.Risks(doc, h)
			require.NoError(t, err)
			var texts []string
			for _, w := range list {
				assert.Equal(t, "data-root-path", w.ID)
				texts = append(texts, w.Text)
			}
			assert.Equal(t, test.want, texts)
		})
	}
}

// Going back leaves the store of the range behind, as going on did the other.
func TestDisableWarnsOfTheStoreThatIsLeft(t *testing.T) {
	h := newTree(t, "-- etc/docker/daemon.json --\n{\"userns-remap\": \"default\", \"live-restore\": true, \"storage-driver\": \"aufs\"}\n"+
		"-- var/lib/docker/swarm/docker-state.json --\n{}\n-- var/lib/docker/100000.100000/plugins/"+idA+"/config.json --\n{}\n"+
		container("var/lib/docker/100000.100000", idA, "web", "true", `{"Privileged": true}`))
	plan, err := planClear(t.Context(), h)
	require.NoError(t, err)
	var ids []string
	for _, w := range plan.Warnings {
		ids = append(ids, w.ID)
	}
	assert.Equal(t, []string{"live-restore", "plugins"}, ids)
}

func TestAStartupThatIsUnclearIsARisk(t *testing.T) {
	h := newTree(t, "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/opt/start-docker\n")
	plan, err := daemoncfg.Remap{User: "default"}.Plan(t.Context(), h)
	require.NoError(t, err)
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "startup-unsure", plan.Warnings[0].ID)
	assert.True(t, plan.Warnings[0].Risk)
}

func TestADataRootThatMayNotBeLookedIntoIsNotTakenForAnEmptyOne(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may look into every directory")
	}
	h := newTree(t, "-- var/lib/docker/swarm/docker-state.json --\n{}\n")
	dir, err := h.Path("/var/lib/docker")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o100))
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	s, err := dockerd.Read(t.Context(), h)
	require.NoError(t, err)
	doc, err := daemoncfg.Open(h, s)
	require.NoError(t, err)
	list, err := daemoncfg.Risks(doc, h)
	require.NoError(t, err)
	require.NotEmpty(t, list)
	assert.Equal(t, "data-root-unseen", list[0].ID)
	assert.False(t, list[0].Risk)
}
