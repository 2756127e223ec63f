// Installer prepares a mounted image for Docker with user-namespace remapping,
// as a custom installer or image builder would: ranges, kernel settings and
// daemon.json in one plan, applied whole or not at all, with a receipt inside
// the image.
//
//	installer -root /mnt/image [-dry-run]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
)

func main() {
	root := flag.String("root", "", "the mounted image")
	dry := flag.Bool("dry-run", false, "print the changes and make none")
	flag.Parse()
	if *root == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := install(context.Background(), usernskit.Host{Root: *root}, *dry); err != nil {
		fmt.Fprintln(os.Stderr, "installer:", err)
		os.Exit(2)
	}
}

func install(ctx context.Context, image usernskit.Host, dry bool) error {
	p, err := plan(ctx, image)
	if err != nil {
		return err
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(os.Stderr, "installer: %s: %s\n", w.ID, w)
	}
	if risks := p.Risks(); risks != nil {
		return fmt.Errorf("this image is not for us: %s", strings.Join(risks, ", "))
	}
	if dry {
		fmt.Print(p.VisibleDiff())
		return nil
	}
	receipt, err := image.Apply(ctx, p)
	if err != nil {
		return err
	}
	for _, c := range receipt.Changes {
		fmt.Println("wrote", c.Path)
	}
	return nil
}

// plan puts ranges first and daemon.json last: a daemon that finds userns-remap
// and no range would choose one itself, without a look at the other owners.
func plan(ctx context.Context, image usernskit.Host) (usernskit.Plan, error) {
	remap := daemoncfg.Remap{User: "default"}
	account, err := remap.Account(ctx, image)
	if err != nil {
		return usernskit.Plan{}, err
	}
	_, ranges, err := subid.Plan(ctx, image, subid.Request{Owner: account, Count: 65536})
	if err != nil {
		return usernskit.Plan{}, err
	}
	kernel, err := gates.Plan(ctx, image)
	if err != nil {
		return usernskit.Plan{}, err
	}
	daemon, err := remap.Plan(ctx, image)
	if err != nil {
		return usernskit.Plan{}, err
	}
	// Nothing runs in an image: its first boot does what the actions would do.
	p, err := usernskit.Merge(usernskit.Plan{Title: "install with userns-remap"}, ranges, kernel, daemon)
	p.Actions = nil
	p.Warnings = slices.DeleteFunc(p.Warnings, func(w usernskit.Warning) bool {
		return w.ID == subid.WarnNoAccount // dockerd makes dockremap when it first starts
	})
	return p, err
}
