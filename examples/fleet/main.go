// Fleet gives a host its slot of an ID space that many hosts share.
//
//	fleet [flags] claim           claim a slot for -owner; with -yes, write this host's files
//	fleet [flags] list            show who has which slot
//	fleet [flags] release SLOT    give a slot back; first take its range off the host
//	fleet [flags] audit FILE...   compare the hosts' exports with the claims
//
// The claims are in etcd, found by the flags and variables of etcdctl(1), or in
// the text file that -file names. Exit codes: 0 as wanted, 1 findings, 2 could not do it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/fleet/etcd"
	"github.com/usernskit/usernskit/fleet/file"
	"github.com/usernskit/usernskit/subid"
)

var (
	root  = flag.String("root", "", "directory taken for / by claim")
	path  = flag.String("file", "", "file of claims, instead of etcd")
	owner = flag.String("owner", subid.Dockremap, "name in /etc/subuid and /etc/subgid")
	first = flag.Uint("min", 1<<20, "first ID of slot 0, the same on all hosts")
	count = flag.Uint("count", 65536, "IDs in a slot, the same on all hosts")
	slots = flag.Int("slots", 1000, "number of slots, the same on all hosts")
	yes   = flag.Bool("yes", false, "claim: write the host's files; else only claim and show")
)

// errFindings ends the program with exit code 1; the findings are printed.
var errFindings = errors.New("the claims and the hosts' files differ")

func main() {
	policy := fleet.Disjoint
	flag.TextVar(&policy, "policy", policy, "disjoint: a slot for each host; same: a slot for each owner")
	for _, name := range []string{"endpoints", "cacert", "cert", "key", "user", "password"} {
		flag.String(name, os.Getenv("ETCDCTL_"+strings.ToUpper(name)), "as of etcdctl")
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	space := fleet.Space{Min: uint32(min(*first, 1<<32-1)), Count: uint32(min(*count, 1<<32-1)), Slots: *slots, Policy: policy}
	if err := run(ctx, space, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		if errors.Is(err, errFindings) {
			os.Exit(1)
		}
		os.Exit(2)
	}
}

func run(ctx context.Context, space fleet.Space, args []string) error {
	reg, err := registry()
	switch {
	case err != nil:
		return err
	case len(args) == 1 && args[0] == "claim":
		return claim(ctx, reg, space)
	case len(args) == 1 && args[0] == "list":
		return list(ctx, reg)
	case len(args) == 2 && args[0] == "release":
		return release(ctx, reg, args[1])
	case len(args) > 1 && args[0] == "audit":
		return audit(ctx, reg, space, args[1:])
	}
	return errors.New("want claim, list, release SLOT or audit FILE...; see fleet -help")
}

func registry() (fleet.Registry, error) {
	if *path != "" {
		abs, err := filepath.Abs(*path)
		return file.Registry{Path: abs}, err
	}
	config, err := etcd.ConfigFromEnv(func(name string) string {
		return flag.Lookup(strings.ToLower(strings.TrimPrefix(name, "ETCDCTL_"))).Value.String()
	})
	if err != nil {
		return nil, err
	}
	config.Logger = zap.NewNop() // errors are returned
	client, err := clientv3.New(config)
	return etcd.Registry{Client: client}, err
}

func claim(ctx context.Context, reg fleet.Registry, space fleet.Space) error {
	host := usernskit.Host{Root: *root}
	c, plan, err := fleet.Plan(ctx, host, reg, fleet.Request{Space: space, Owner: *owner})
	if err != nil {
		return err
	}
	fmt.Printf("%s has slot %d\n%s", c.Owner, c.Slot, plan.VisibleDiff())
	if risks := plan.Risks(); risks != nil {
		return fmt.Errorf("slot %d stays claimed, and no file was written: %s", c.Slot, strings.Join(risks, ", "))
	}
	if !*yes && !plan.Empty() {
		_, err := fmt.Println("claimed only; -yes writes the files")
		return err
	}
	if _, err := host.Apply(ctx, plan); err != nil {
		return fmt.Errorf("slot %d stays claimed: %w", c.Slot, err)
	}
	return c.Confirm(ctx, reg)
}

func list(ctx context.Context, reg fleet.Registry) error {
	for c, err := range reg.List(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("%d\t%s\t%s\t%s\t%s\n", c.Slot, c.State, c.Owner, c.Host, c.Machine)
	}
	return nil
}

func release(ctx context.Context, reg fleet.Registry, slot string) error {
	for c, err := range reg.List(ctx) {
		if err != nil {
			return err
		}
		if strconv.Itoa(c.Slot) == slot {
			return c.Release(ctx, reg)
		}
	}
	return fmt.Errorf("slot %s: nobody claimed it", slot)
}

func audit(ctx context.Context, reg fleet.Registry, space fleet.Space, names []string) error {
	problems, err := fleet.Audit(ctx, reg, space, fleet.ReadExports(names...))
	if err != nil && *path == "" {
		err = fmt.Errorf("%w; the claims are asked of etcd; to read them from a file: fleet -file FILE audit EXPORT...", err)
	}
	if err != nil || len(problems) == 0 {
		return err
	}
	for _, p := range problems {
		fmt.Printf("%s\tslot %d\t%s\t%s\n", p.ID, p.Slot, p.Host, p.Text)
	}
	return errFindings
}
