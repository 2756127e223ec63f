package main

import (
	"context"
	"embed"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

//go:generate env UPDATE=1 go test -run ^(TestManualPages|TestSchemas)$ .

// The pages are made from the commands by go generate, and the schemas from what
// they print.
//
//go:embed man
var manPages embed.FS

func manCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "man [COMMAND]...", Short: "print the manual page of remapctl, or of a command",
		Example:           "remapctl man subid add | man -l -",
		ValidArgsFunction: completeCommand,
		RunE: e.action(func(_ context.Context, list []string) error {
			if e.json {
				return errors.New("a manual page is not JSON")
			}
			page, err := manPages.ReadFile("man/" + strings.Join(append([]string{"remapctl"}, list...), "-") + ".8")
			if err != nil {
				return errors.New("no such command: " + strings.Join(list, " "))
			}
			_, err = e.out.Write(page)
			return err
		}),
	}
}
