// Kernelarg sets kernel arguments, whatever the distribution.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

func main() {
	ctx := context.Background()
	host := usernskit.Host{Root: os.Args[1]}
	plan, err := bootargs.PlanEdit(ctx, host, bootargs.Edit{Set: os.Args[2:]})
	if errors.Is(err, bootargs.ErrOwned) {
		log.Fatal("this host's arguments belong to another tool: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range plan.Warnings {
		fmt.Println("warning", w.ID, w)
	}
	if _, err := host.Apply(ctx, plan); err != nil {
		log.Fatal(err)
	}
	for _, c := range plan.Changes {
		fmt.Println("wrote", c.Path)
	}
	for _, a := range plan.Actions {
		fmt.Println("then", a.When, a.Where, a.Argv)
	}
}
