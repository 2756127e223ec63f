package hosttest

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips the test, visibly, where it is not run by root or a program is
// missing. USERNSKIT_E2E=require makes that a failure.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "needs root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, "needs the program "+p)
		}
	}
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("USERNSKIT_E2E") == "require" {
		t.Fatal(why + ", and USERNSKIT_E2E=require")
	}
	t.Skip(why)
}

// NeedProgram is Need for tests that anybody can run. It returns the path of
// the program.
func NeedProgram(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, "needs the program "+program)
	}
	return path
}
