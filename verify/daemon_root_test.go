package verify

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestADataRootThatIsNoDirectoryIsNotOpen(t *testing.T) {
	const store = "var/lib/docker/165536.165536"
	for _, name := range []string{"var/lib/docker", "var/lib", store} {
		h := hosttest.Tree(t, good)
		unreadable(t, h, name)
		assert.Equal(t, []string{"D08 unknown"}, bad(run(t, Options{Host: h, Checks: []string{"D08"}})), name)

		h = with(t, hosttest.Tree(t, good), map[string]string{name: "x"})
		assert.Equal(t, []string{"D08 fail"}, bad(run(t, Options{Host: h, Checks: []string{"D08"}})), name)
	}
}
