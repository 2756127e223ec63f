package userns_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/userns"
)

var (
	idA = strings.Repeat("a1", 32)
	idB = strings.Repeat("b2", 32)
)

func TestTheControlGroupNamesTheContainer(t *testing.T) {
	for name, c := range map[string]struct{ text, id, runtime string }{
		"host, version 2":                           {"0::/user.slice/user-0.slice/session-1.scope\n", "", ""},
		"host, no groups":                           {"0::/\n", "", ""},
		"nothing":                                   {"", "", ""},
		"docker, cgroupfs, v1":                      {"9:name=systemd:/docker/A\n8:pids:/docker/A\n0::/docker/A\n", idA, "docker"},
		"docker, v1 without 0":                      {"12:cpu,cpuacct:/docker/A\n8:pids:/docker/A\n", idA, "docker"},
		"docker, systemd, v2":                       {"0::/system.slice/docker-A.scope\n", idA, "docker"},
		"docker, rootless":                          {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-A.scope\n", idA, "docker"},
		"docker, other parent":                      {"0::/machines/A\n", idA, ""},
		"docker in docker":                          {"0::/docker/A/docker/B\n", idA, "docker"},
		"docker in docker, deeper":                  {"0::/system.slice/docker-A.scope/system.slice/docker-B.scope/init\n", idA, "docker"},
		"podman, systemd":                           {"0::/machine.slice/libpod-A.scope/container\n", idA, "podman"},
		"podman, cgroupfs":                          {"0::/libpod_parent/libpod-A\n", idA, "podman"},
		"podman's conmon":                           {"0::/machine.slice/libpod-conmon-A.scope\n", "", ""},
		"podman, one group":                         {"0::/system.slice/web.service/libpod-payload-A\n", idA, "podman"},
		"a parent like a conmon":                    {"0::/libpod-conmon-A/B\n", idB, ""},
		"cri-o":                                     {"0::/kubepods.slice/kubepods-pod1.slice/crio-A.scope\n", idA, "cri-o"},
		"cri-o's conmon":                            {"0::/kubepods.slice/kubepods-pod1.slice/crio-conmon-A.scope\n", "", ""},
		"containerd for k8s":                        {"0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-A.scope\n", idA, "containerd"},
		"k8s, cgroupfs":                             {"8:pids:/kubepods/burstable/pod3e0a/A\n", idA, "kubernetes"},
		"nerdctl":                                   {"0::/system.slice/nerdctl-A.scope\n", idA, "nerdctl"},
		"from inside a namespace":                   {"0::/../A\n", idA, ""},
		"a group of its own in v2":                  {"0::/docker/A/sub/group\n", idA, "docker"},
		"removed group":                             {"0::/docker/A (deleted)\n", idA, "docker"},
		"a zombie that left v2":                     {"8:pids:/docker/A\n0::/\n", idA, "docker"},
		"unified before pids":                       {"8:pids:/docker/B\n0::/docker/A\n", idA, "docker"},
		"pids before memory":                        {"9:memory:/docker/B\n8:pids:/docker/A\n7:cpu:/docker/B\n", idA, "docker"},
		"any hierarchy at all":                      {"9:perf_event:/docker/A\n", idA, "docker"},
		"containerd, a systemd name under cgroupfs": {"0::/system.slice/containerd.service/kubepods-burstable-pod3e0a_1.slice:cri-containerd:A\n", idA, "containerd"},
		"docker, a systemd name under cgroupfs":     {"5:pids:/system.slice:docker:A\n", idA, "docker"},
		"podman's conmon, the same":                 {"0::/machine.slice:libpod-conmon:A\n", "", ""},
		"podman, a pod under cgroupfs":              {"0::/libpod_parent/A/libpod-B\n", idB, "podman"},
		"a pod's own group":                         {"0::/libpod_parent/A/conmon\n", "", ""},
		"a name with a colon, and no more":          {"0::/odd:nameA\n", "", ""},
		"a colon in the path":                       {"0::/odd:name/A\n", idA, ""},
		"63 digits":                                 {"0::/docker/" + idA[1:] + "\n", "", ""},
		"65 digits":                                 {"0::/docker/a" + idA + "\n", "", ""},
		"not hexadecimal":                           {"0::/docker/g" + idA[1:] + "\n", "", ""},
		"upper case":                                {"0::/docker/" + strings.ToUpper(idA) + "\n", "", ""},
		"32 digits":                                 {"4:memory:/api/86223041f03da48229cd11a04ee4f979\n", "", ""},
		"a line of one colon":                       {"0:/docker/A\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer("A", idA, "B", idB).Replace(c.text)
			got := userns.ParseCgroup([]byte(text))
			assert.Equal(t, c.id, got.ContainerID)
			assert.Equal(t, c.runtime, got.Runtime)
			if c.id != "" {
				assert.Contains(t, got.Cgroup, c.id)
			} else {
				assert.Equal(t, userns.Container{}, got)
			}
		})
	}
}

func TestShimsAreKnownByTheirArguments(t *testing.T) {
	for _, c := range []struct {
		argv string
		want userns.Shim
		ok   bool
	}{
		{"/usr/bin/containerd-shim-runc-v2 -namespace moby-100000.100000 -id A -address /run/containerd/containerd.sock",
			userns.Shim{Program: "containerd-shim-runc-v2", ContainerID: idA, Namespace: "moby-100000.100000", Address: "/run/containerd/containerd.sock"}, true},
		{"containerd-shim-runc-v2 --namespace=moby --id=A",
			userns.Shim{Program: "containerd-shim-runc-v2", ContainerID: idA, Namespace: "moby"}, true},
		{"/usr/bin/conmon --api-version 1 -c A -u A -r /usr/bin/crun",
			userns.Shim{Program: "conmon", ContainerID: idA}, true},
		{"conmon --cid A", userns.Shim{Program: "conmon", ContainerID: idA}, true},
		{"containerd-shim-runc-v2 -info", userns.Shim{}, false},
		{"containerd-shim-runc-v2 -id", userns.Shim{}, false},
		{"grep -id A containerd-shim-runc-v2", userns.Shim{}, false},
		{"containerd --namespace moby --id A", userns.Shim{}, false},
	} {
		got, ok := userns.ParseShim(strings.Fields(strings.ReplaceAll(c.argv, " A", " "+idA)))
		if strings.Contains(c.argv, "=A") {
			got, ok = userns.ParseShim(strings.Fields(strings.ReplaceAll(c.argv, "=A", "="+idA)))
		}
		assert.Equal(t, c.ok, ok, c.argv)
		assert.Equal(t, c.want, got, c.argv)
	}
	_, ok := userns.ParseShim(nil)
	assert.False(t, ok)
}
