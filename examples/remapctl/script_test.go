package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns/probe"
)

func TestMain(m *testing.M) {
	probe.Main()
	if filepath.Base(os.Args[0]) != "remapctl" {
		hosttest.Alone()
	}
	testscript.Main(m, map[string]func(){
		"remapctl": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// The scripts have these commands besides those of testscript:
//
//	exits CODE remapctl ARG...   run it and demand that very exit code; 0|3 is either
//	untouched DIR...             each file is as at the start: content, mode, time; none is new
//	restored DIR...              each file holds what it held at the start, but for what
//	                             usernskit keeps for itself; times may differ
//	baseline DIR...              from here on this is the start
//	json FILE PATH [WANT]        the value at PATH (gjson) is WANT, or exists; FILE may be stdout
//	schema NAME FILE             FILE is valid by schema/NAME.schema.json
//
// Each schema has to be used by a script.
func TestScripts(t *testing.T) {
	schemas := usedSchemas{names: map[string]bool{}}
	all, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	ran := atomic.Int32{}
	t.Cleanup(func() { // the scripts have ended
		if int(ran.Load()) == len(all) {
			schemas.demand(t)
		}
	})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("DOCKER_HOST", "unix://"+env.WorkDir+"/no-docker.sock")
			env.Setenv("TZ", "UTC")
			env.Setenv("LANG", "C.UTF-8")
			ran.Add(1)
			start, err := takeBaseline(env.WorkDir)
			env.Values[baselineKey{}] = start
			return err
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     scriptExits,
			"untouched": scriptUntouched,
			"restored":  scriptRestored,
			"baseline":  scriptBaseline,
			"json":      scriptJSON,
			"schema":    schemas.check,
		},
	})
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [args...]")
	}
	want := strings.Split(args[0], "|")
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if !slices.Contains(want, strconv.Itoa(got)) {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: [!] json FILE PATH [WANT]")
	}
	text := ts.ReadFile(args[0])
	if !gjson.Valid(text) {
		ts.Fatalf("%s is not JSON", args[0])
	}
	value := gjson.Get(text, args[1])
	ok := value.Exists()
	got := value.String()
	if value.IsArray() || value.IsObject() {
		var compact bytes.Buffer
		ts.Check(json.Compact(&compact, []byte(value.Raw)))
		got = compact.String()
	}
	if len(args) == 3 {
		ok = ok && got == args[2]
	}
	if ok == neg {
		ts.Fatalf("%s: %s is %s", args[0], args[1], got)
	}
}

type baselineKey struct{}

// A fileState is what a file is, and what is compared.
type fileState struct {
	content string // "-> target" for a link, "/" for a directory
	mode    fs.FileMode
	time    int64
}

func takeBaseline(dir string) (map[string]fileState, error) {
	files := map[string]fileState{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		state := fileState{mode: info.Mode(), time: info.ModTime().UnixNano()}
		switch {
		case d.IsDir():
			state = fileState{content: "/", mode: info.Mode()}
		case info.Mode()&fs.ModeSymlink != 0:
			state.content, err = os.Readlink(path)
			state.content = "-> " + state.content
		case info.Mode().IsRegular():
			var data []byte
			data, err = os.ReadFile(path)
			state.content = string(data)
		}
		files[path] = state
		return err
	})
	return files, err
}

// differences returns what is not as the script's baseline has it below dir.
func differences(ts *testscript.TestScript, dir string, same func(path string, was, is fileState) bool) []string {
	dir = ts.MkAbs(dir)
	is, err := takeBaseline(dir)
	ts.Check(err)
	was := map[string]fileState{}
	for path, state := range ts.Value(baselineKey{}).(map[string]fileState) {
		if path == dir || strings.HasPrefix(path, dir+"/") {
			was[path] = state
		}
	}
	if len(was) == 0 {
		ts.Fatalf("%s has no files to compare", dir)
	}
	var list []string
	for path := range is {
		if _, ok := was[path]; !ok && !same(path, fileState{}, is[path]) {
			list = append(list, path+" is new")
		}
	}
	for path, state := range was {
		if !same(path, state, is[path]) {
			list = append(list, path+" differs")
		}
	}
	return list
}

func scriptUntouched(ts *testscript.TestScript, neg bool, args []string) {
	compare(ts, neg, args, func(_ string, was, is fileState) bool { return was == is })
}

func scriptRestored(ts *testscript.TestScript, neg bool, args []string) {
	compare(ts, neg, args, func(path string, was, is fileState) bool {
		if strings.Contains(path+"/", "/var/lib/usernskit/") || strings.HasSuffix(path, "/etc/.pwd.lock") {
			return true
		}
		if was == (fileState{}) && is.content == "/" { // /var and /var/lib, made for the journal
			return strings.HasSuffix(path, "/var") || strings.HasSuffix(path, "/var/lib")
		}
		return was.content == is.content && was.mode == is.mode
	})
}

func compare(ts *testscript.TestScript, neg bool, dirs []string, same func(string, fileState, fileState) bool) {
	if len(dirs) == 0 {
		ts.Fatalf("usage: [!] untouched|restored DIR...")
	}
	var list []string
	for _, dir := range dirs {
		list = append(list, differences(ts, dir, same)...)
	}
	if len(list) > 0 && !neg {
		ts.Fatalf("%s", strings.Join(list, "\n"))
	}
	if len(list) == 0 && neg {
		ts.Fatalf("nothing was changed")
	}
}

func scriptBaseline(ts *testscript.TestScript, neg bool, args []string) {
	start := ts.Value(baselineKey{}).(map[string]fileState)
	for _, dir := range args {
		now, err := takeBaseline(ts.MkAbs(dir))
		ts.Check(err)
		for path := range start {
			if strings.HasPrefix(path, ts.MkAbs(dir)+"/") {
				delete(start, path)
			}
		}
		for path, state := range now {
			start[path] = state
		}
	}
}
