package gates_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs/gates"
)

func ExamplePlan() {
	ctx := context.Background()
	root, err := os.MkdirTemp("", "gates")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	dir := filepath.Join(root, "etc/sysctl.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "99-stig.conf"), []byte("user.max_user_namespaces = 0\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	h := usernskit.Host{Root: root}

	report, err := gates.Read(ctx, h)
	for _, g := range report.Shut() {
		fmt.Println(g.Name, g.State, g.Where, err)
	}
	plan, err := gates.Plan(ctx, h)
	fmt.Print(plan.Diff(), err)
	// Output:
	// user.max_user_namespaces shut /etc/sysctl.d/99-stig.conf:1 <nil>
	// --- /dev/null
	// +++ /etc/sysctl.d/99-usernskit.conf
	// @@ -0,0 +1,2 @@
	// +# Made by usernskit: each remapped container needs a user namespace on root's account.
	// +user.max_user_namespaces = 15000
	// <nil>
}
