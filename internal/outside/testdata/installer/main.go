// Installer turns remapping on in an image tree, and takes it back.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	image := usernskit.Host{Root: os.Args[1]}
	if len(os.Args) > 2 && os.Args[2] == "undo" {
		if err := image.Undo(ctx, "", nil); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := install(ctx, image); err != nil {
		log.Fatal(err)
	}
}

func install(ctx context.Context, image usernskit.Host) error {
	_, ranges, err := subid.Plan(ctx, image, subid.Request{Owner: daemoncfg.DockremapUser})
	if err != nil {
		return err
	}
	daemon, err := daemoncfg.Remap{User: daemoncfg.Default}.Plan(ctx, image)
	if err != nil {
		return err
	}
	plan, err := usernskit.Merge(usernskit.Plan{Title: "remap the image"}, ranges, daemon)
	if err != nil {
		return err
	}
	receipt, err := image.Apply(ctx, plan)
	if err != nil {
		return err
	}
	fmt.Println("receipt", receipt.ID)
	for _, a := range plan.Actions {
		fmt.Println("action", a.Kind, "where", a.Where, a.Argv)
	}
	return nil
}
