// Tenants gives each name its own range. Any number of it may run at once.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

func main() {
	ctx := context.Background()
	host := usernskit.Host{Root: os.Args[1]}
	for _, name := range os.Args[2:] {
		var grant subid.Grant
		_, err := host.Update(ctx, func() (plan usernskit.Plan, err error) {
			want := subid.Docker()
			want.Owner = name
			grant, plan, err = subid.Plan(ctx, host, want)
			return plan, err
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, grant.UID)
	}
}
