package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit/subid"
)

func subidAuditCommand() *cli.Command {
	return &cli.Command{
		Name:  "audit",
		Usage: "say what is wrong with both files, and who reads what",
		Description: "Exits 1 where something is wrong, and 3 where nothing is but accounts\n" +
			"could not be listed.\n\nExample: remapctl subid audit --root /mnt/image",
		Action: action(runSubidAudit),
	}
}

type jsonProblem struct {
	ID    string `json:"id"`
	File  string `json:"file"`
	Line  int    `json:"line"` // 0: the file as a whole
	Owner string `json:"owner"`
	Text  string `json:"text"`
}

func runSubidAudit(ctx context.Context, e *env, cmd *cli.Command) error {
	if _, err := args(cmd, 0, 0); err != nil {
		return err
	}
	problems, err := subid.Audit(ctx, e.host)
	if err != nil {
		return err
	}
	var code error
	list := []jsonProblem{}
	for _, p := range problems {
		list = append(list, jsonProblem{p.ID, p.File, p.Line, p.Owner, p.Text})
		switch {
		case p.ID != subid.AccountsUnseen:
			code = findings
		case code == nil:
			code = incomplete
		}
	}
	if e.json {
		if err := e.printJSON(struct {
			Schema   int           `json:"schema"`
			Problems []jsonProblem `json:"problems"`
		}{1, list}); err != nil {
			return err
		}
		return code
	}
	for _, p := range problems {
		e.say("%v", p)
	}
	if len(problems) == 0 {
		e.say("nothing is wrong")
	}
	return code
}
