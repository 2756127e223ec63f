package verify

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/verify/engine"
)

func TestAnAccountOfADirectoryIsNamedWhereAContainerRunsAsIt(t *testing.T) {
	e := remapped(web(engine.Container{}))
	for db, c := range map[string]struct {
		p    proc
		says string
	}{
		"passwd": {proc{pid: 100, container: idWeb, uids: "165636 165636 165636 165636", gids: "165536 165536 165536 165536"}, "is the user lena of the host (165636)"},
		"group":  {proc{pid: 100, container: idWeb, groups: "165636"}, "is the group staff of the host (165636)"},
	} {
		o := live(t, &e, c.p)
		with(t, o.Host, map[string]string{"etc/nsswitch.conf": withDirectory})
		o.Host.Run = directory(func(asked, key string) ([]byte, error) {
			if asked != db || key != "165636" {
				return nil, exited(2)
			}
			return []byte(map[string]string{"passwd": "lena:*:165636:100::/home/lena:/bin/sh\n", "group": "staff:*:165636:\n"}[db]), nil
		})
		r := run(t, o)
		assert.Contains(t, texts(r), c.says)
		assert.Equal(t, Fail, r.Summary.Remapped)
	}
}
