// Kubelet gives the kubelet the range that it takes for pods with user
// namespaces (hostUsers: false): 65536 IDs for each pod, under the name
// "kubelet", one range that is the same in both files.
//
//	kubelet [-max-pods 110] [-root DIR] [-yes]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

func main() {
	root := flag.String("root", "", "directory taken for /")
	pods := flag.Uint("max-pods", 110, "as the kubelet's --max-pods or maxPods")
	yes := flag.Bool("yes", false, "write it; else only show it")
	flag.Parse()
	if flag.NArg() > 0 || *pods == 0 || *pods > 1<<16-1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := give(context.Background(), usernskit.Host{Root: *root}, uint32(*pods), *yes); err != nil {
		fmt.Fprintln(os.Stderr, "kubelet:", err)
		os.Exit(2)
	}
}

func give(ctx context.Context, h usernskit.Host, pods uint32, yes bool) error {
	want, err := subid.Preset("kubelet", pods)
	if err != nil {
		return err
	}
	var grant subid.Grant
	plan := func() (p usernskit.Plan, err error) {
		grant, p, err = subid.Plan(ctx, h, want)
		if risks := p.Risks(); err == nil && yes && risks != nil {
			err = fmt.Errorf("nothing was changed: %s; without -yes it says more", strings.Join(risks, ", "))
		}
		return p, err
	}
	if !yes {
		p, err := plan()
		fmt.Print(p.VisibleDiff())
		for _, w := range p.Warnings {
			fmt.Fprintf(os.Stderr, "kubelet: %s: %s\n", w.ID, w)
		}
		return err
	}
	receipt, err := h.Update(ctx, plan)
	if err != nil {
		return err
	}
	for _, c := range receipt.Changes {
		fmt.Println("wrote", c.Path)
	}
	fmt.Printf("the kubelet has %v for %d pods; it takes the range up when it starts\n", grant.UID, pods)
	return nil
}
