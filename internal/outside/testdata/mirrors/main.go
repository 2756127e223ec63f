// Mirrors sets Docker's registry mirrors on a host, and how many layers Docker
// fetches at once, in one plan.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

func main() {
	ctx := context.Background()
	host := usernskit.Host{Root: os.Args[1]}
	mirrors, err := json.Marshal(os.Args[2:])
	if err != nil {
		log.Fatal(err)
	}
	doc, err := daemoncfg.Read(ctx, host)
	if err != nil {
		log.Fatal(err)
	}
	if err := doc.Set([]string{"registry-mirrors"}, mirrors); err != nil {
		log.Fatal(err)
	}
	if err := doc.Set([]string{"max-concurrent-downloads"}, json.RawMessage("6")); err != nil {
		log.Fatal(err)
	}
	plan, err := doc.Plan(ctx, host)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan.VisibleDiff())
	if _, err := host.Apply(ctx, plan); err != nil {
		log.Fatal(err)
	}
	for _, a := range plan.Actions {
		fmt.Println(a.Kind, a.When)
	}
}
