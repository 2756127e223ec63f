package idspace_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/userns"
)

func TestEachContainerAndEachOtherNamespaceIsCollectedOnce(t *testing.T) {
	mapping := func(text string) userns.Mapping {
		m, err := userns.ParseMap("uid_map", []byte(text))
		assert.NoError(t, err)
		return userns.Mapping{UID: m, GID: m}
	}
	docker, rootless := mapping("0 100000 65536\n"), mapping("0 1000 1\n")
	web, db := strings.Repeat("a", 64), strings.Repeat("b", 64)
	oops := errors.New("gone wrong")
	var processes iter.Seq2[userns.Process, error] = func(yield func(userns.Process, error) bool) {
		in := func(id string, ns uint64, pid int, m userns.Mapping) bool {
			return yield(userns.Process{PID: pid, Command: "sh", UserNS: ns, Mapping: m, Container: userns.Container{ContainerID: id}}, nil)
		}
		_ = in(web, 7, 10, docker) && in(web, 7, 11, docker) && in(web, 8, 12, rootless) && // one nested in web
			in(db, 9, 13, docker) && in("", 20, 14, rootless) && in("", 20, 15, rootless) && in("", 21, 16, rootless) &&
			in("", 0, 17, docker) && in("", 0, 18, docker) && in("", 22, 19, userns.Mapping{}) && yield(userns.Process{PID: 20}, oops)
	}
	names := func(id string) string { return map[string]string{web: "web"}[id] }

	list, unread := idspace.NamespacesOf(processes, names)
	assert.Equal(t, []string{"gone wrong"}, unread)
	var got []string
	for _, ns := range list {
		got = append(got, ns.Name+" "+ns.Mapping.UID.String())
	}
	assert.Equal(t, []string{"web 0 100000 65536", "web 0 1000 1", "bbbbbbbbbbbb 0 100000 65536",
		"sh[14] 0 1000 1", "sh[16] 0 1000 1", "sh[17] 0 100000 65536"}, got)

	list, _ = idspace.NamespacesOf(processes, nil)
	assert.Equal(t, "aaaaaaaaaaaa", list[0].Name)
}
