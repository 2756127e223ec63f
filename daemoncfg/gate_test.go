package daemoncfg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/members"
)

// refused are documents, and where and why each is refused.
var refused = []struct{ name, in, want string }{
	{"list", `[]`, "1:1: the document must be an object, { ... }: no dockerd starts with anything else"},
	{"string", "\n \"x\"", "2:2: the document must be an object, { ... }: no dockerd starts with anything else"},
	{"number", `42`, "1:1: the document must be an object, { ... }: no dockerd starts with anything else"},
	{"trailing comma", "{\n  \"a\": 1,\n}\n", "3:1: a comma before the closing bracket; no dockerd starts with it"},
	{"trailing comma in a list", `{"a": [1, ]}`, "1:11: a comma before the closing bracket; no dockerd starts with it"},
	{"comment", "{\n  // mine\n}\n", "2:3: dockerd accepts no comments; no dockerd starts with one"},
	{"comment before the document", "// mine\n{}", "1:1: dockerd accepts no comments; no dockerd starts with one"},
	{"shell comment", "{\n  \"a\": 1, # mine\n  \"b\": 2\n}\n", "2:11: dockerd accepts no comments; no dockerd starts with one"},
	{"C comment", `{"a": /* 1 */ 2}`, "1:7: dockerd accepts no comments; no dockerd starts with one"},
	{"comment after the document", "{}\n// end", "2:1: a comment after the document: dockerd accepts none from 23.0 on, and 20.10 ignores what is here; remove it"},
	{"truncated", "{\n  \"a\": tru", "2:11: the file ends in the middle of the document: no dockerd starts with it"},
	{"truncated in a string", `{"a": "`, "1:8: the file ends in the middle of the document: no dockerd starts with it"},
	{"two documents", `{"mtu": 1}{"mtu": 2}`, "1:11: a second document: dockerd from 23.0 does not start with it, and 20.10 ignores it"},
	{"NUL after the document", "{}\x00", "1:3: a NUL byte after the document: dockerd from 23.0 does not start with it, and 20.10 ignores it"},
	{"text after the document", "{}\nEOF\n", "2:1: text after the document: dockerd from 23.0 does not start with it, and 20.10 ignores it"},
	{"byte order mark", "\xef\xbb\xbf{}", "1:1: the file starts with a byte order mark: dockerd before 23.0 does not start with it; save it as UTF-8 without one"},
	{"byte order mark and nothing", "\xef\xbb\xbf", "1:1: the file starts with a byte order mark: dockerd before 23.0 does not start with it; save it as UTF-8 without one"},
	{"UTF-16 LE", "\xff\xfe{\x00}\x00", "1:1: the file is UTF-16: dockerd before 23.0 does not start with it; save it as UTF-8 without a byte order mark"},
	{"UTF-16 BE", "\xfe\xff\x00{\x00}", "1:1: the file is UTF-16: dockerd before 23.0 does not start with it; save it as UTF-8 without a byte order mark"},
	{"not UTF-8", "{\"bip\": \"\xe9\"}", "1:10: byte 0xe9 is not UTF-8: dockerd from 23.0 does not start with it, and 20.10 reads another text"},
	{"not UTF-8 behind a spelled U+FFFD", "{\"bip\": \"\ufffd\",\n\"group\": \"\xc3\"}", "2:11: byte 0xc3 is not UTF-8: dockerd from 23.0 does not start with it, and 20.10 reads another text"},
	{"no-break space", "{\u00a0\"a\": 1}", "1:2: a no-break space, which JSON does not take for a space; no dockerd starts with it"},
	{"typographic quotes", "{“a”: 1}", "1:2: JSON wants straight double quotes, not typographic ones; no dockerd starts with it"},
	{"single quotes", "{'a': 1}", "1:2: JSON wants straight double quotes, not single ones; no dockerd starts with it"},
	{"missing comma", "{\n  \"a\": 1\n  \"b\": 2\n}\n", "3:3: a comma is missing before this; no dockerd starts with it"},
	{"line break in a string", "{\"a\": \"x\ny\"}", "1:9: a line break or control character inside of quotes; no dockerd starts with it"},
	{"True", `{"debug": True}`, "1:11: invalid character 'T' looking for beginning of value; no dockerd starts with it"},
	{"duplicate", "{\n  \"a\": 1,\n  \"a\": 2\n}\n", "3:3: the key \"a\" is here twice: dockerd takes the last one, most editors the first; remove one"},
	{"duplicate through an escape", `{"userns-remap": "x", "userns\u002dremap": ""}`, `1:23: the key "userns-remap" is here twice: dockerd takes the last one, most editors the first; remove one`},
	{"duplicate inside", `{"f": [{"a": 1, "a": 1}]}`, `1:17: the key "a" is here twice: dockerd takes the last one, most editors the first; remove one`},
	{"number beyond a double", `{"a": [1e400]}`, "1:8: the number 1e400 is too large: no dockerd starts with it"},
	{"too deep", strings.Repeat(`{"a":`, 64) + "{", "1:321: nested more than 64 deep (dockerd itself stops at 10000)"},
	{"far too deep", strings.Repeat("[", 1<<20), "1:65: nested more than 64 deep (dockerd itself stops at 10000)"},
	{"too large", "{" + strings.Repeat(" ", 1<<20) + "}", "1:1: 1048578 bytes, more than the 1048576 that a daemon.json may have here (dockerd itself has no limit)"},
}

func TestParseRefusesWhatSomeDockerdRefuses(t *testing.T) {
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(test.in))
			require.EqualError(t, err, "daemon.json:"+test.want)
			require.ErrorIs(t, err, daemoncfg.ErrInvalid)
			var place *usernskit.FileError
			require.ErrorAs(t, err, &place)
			assert.Equal(t, "daemon.json", place.File)
			require.Nil(t, doc)
			if _, asks := asDockerd([]byte(test.in)); asks == nil {
				assert.Regexp(t, "duplicate|too large|not UTF-8", test.name, "dockerd takes it, and so does this package without a reason")
			}
		})
	}
}

func TestParseTakesWhatEveryDockerdTakes(t *testing.T) {
	for name, in := range map[string]string{
		"object":                      `{}`,
		"null":                        ` null `,
		"CRLF":                        "{\r\n}\r\n",
		"as deep as may be":           strings.Repeat(`{"a":`, 63) + "{}" + strings.Repeat("}", 63),
		"as large as may be":          "{" + strings.Repeat(" ", 1<<20-2) + "}",
		"the largest number":          `{"a": 1.7976931348623157e308}`,
		"a number that comes to 0":    `{"a": 1e-400}`,
		"brackets in strings":         `{"a": "` + strings.Repeat("[{", 100) + `"}`,
		"quotes in strings":           `{"a": "\"[[\\"}`,
		"half of a surrogate pair":    `{"\ud800\u0041": 1}`,
		"a whole surrogate pair":      `{"\ud83d\udc33": 1}`,
		"keys that differ in case":    `{"a": 1, "A": 2}`,
		"a key here and further down": `{"a": {"a": 1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(in))
			require.NoError(t, err)
			assert.Equal(t, in, string(doc.Bytes()))
			require.True(t, json.Valid([]byte(in)))
		})
	}
}

// lints are documents that parse, and what is to be said about each.
var lints = []struct {
	name, in string
	want     []string // "ID /path line:col fatal: text"
}{
	{"nothing to say", `{"userns-remap": "default", "proxies": {"http-proxy": "x"}, "features": {"whatever": true}, "debug": null}`, nil},
	{"empty file", "", []string{"empty-file  1:1 fatal: the file is empty: dockerd 20.10 does not start with it, later ones take it for {}"}},
	{"null", "null", []string{"null-document  1:1: null is an empty configuration"}},
	{"unknown key", "{\n  \"zzz\": 1\n}", []string{`unknown-key /zzz 2:3 fatal: no dockerd from 20.10 to 29 knows the key "zzz", nor starts with it`}},
	{"case", `{"Userns-Remap": "default"}`, []string{`unknown-key /Userns-Remap 1:2 fatal: no dockerd from 20.10 to 29 knows the key "Userns-Remap", nor starts with it; it is spelled "userns-remap"`}},
	{"underscore", `{"userns_remap": "default"}`, []string{`unknown-key /userns_remap 1:2 fatal: no dockerd from 20.10 to 29 knows the key "userns_remap", nor starts with it; it is spelled "userns-remap"`}},
	{"dashes", `{"--userns-remap": "default"}`, []string{`unknown-key /--userns-remap 1:2 fatal: no dockerd from 20.10 to 29 knows the key "--userns-remap", nor starts with it; it is spelled "userns-remap"`}},
	{"camel", `{"usernsRemap": "default"}`, []string{`unknown-key /usernsRemap 1:2 fatal: no dockerd from 20.10 to 29 knows the key "usernsRemap", nor starts with it; it is spelled "userns-remap"`}},
	{"removed key", `{"graph": "/g"}`, []string{"removed-key /graph 1:2 fatal: dockerd from 23.0 on does not know graph and does not start with it"}},
	{"key removed since", `{"api-cors-header": "*"}`, []string{"removed-key /api-cors-header 1:2 fatal: dockerd from 28.0 on does not know api-cors-header and does not start with it"}},
	{"object for a removed key", `{"graph": {}}`, []string{"wrong-type /graph 1:2 fatal: graph is a string, and a dockerd that reads it does not start with {}"}},
	{"nested remap", `{"zzz": {"userns-remap": "x"}}`, []string{
		`ignored-object /zzz 1:2: dockerd has no key "zzz" and ignores the object, although it checks the names in it`,
		"nested-remap /zzz/userns-remap 1:10: dockerd reads userns-remap only at the top of the document: this one does nothing",
	}},
	{"remap in a list", `{"default-address-pools": [{"userns-remap": "x"}]}`, []string{
		"nested-remap /default-address-pools/0/userns-remap 1:29: dockerd reads userns-remap only at the top of the document: this one does nothing",
	}},
	{"empty unknown object", `{"default-ulimit": {}}`, []string{`ignored-object /default-ulimit 1:2: dockerd has no key "default-ulimit" and ignores the object, although it checks the names in it`}},
	{"unknown key in an object", `{"proxies": {"ftp-proxy": "x"}}`, []string{`unknown-key /proxies/ftp-proxy 1:14 fatal: no dockerd from 20.10 to 29 knows the key "ftp-proxy", nor starts with it`}},
	{"wrong type", `{"debug": "yes", "hosts": "x", "mtu": 1.5}`, []string{
		`wrong-type /debug 1:2 fatal: debug is true or false, and no dockerd starts with "yes"`,
		`wrong-type /hosts 1:18 fatal: hosts is a list, and no dockerd starts with "x"`,
		`wrong-type /mtu 1:32 fatal: mtu is a whole number, and no dockerd starts with 1.5`,
	}},
	{"object for a scalar", `{"debug": {}}`, []string{"wrong-type /debug 1:2 fatal: debug is true or false, not an object; no dockerd starts with it"}},
	{"a feature as a string", `{"features": {"buildkit": "true"}}`, []string{`wrong-type /features/buildkit 1:15 fatal: features holds values, each of them true or false, and no dockerd starts with "true"`}},
	{"a log option as a number", `{"log-opts": {"max-file": 3}}`, []string{"wrong-type /log-opts/max-file 1:15 fatal: log-opts holds values, each of them a string, and no dockerd starts with 3"}},
	{"a label as a number", `{"labels": ["a=b", 3]}`, []string{"wrong-type /labels/1 1:20 fatal: labels holds values, each of them a string, and no dockerd starts with 3"}},
	{"a size as a number", `{"default-shm-size": 67108864}`, []string{"wrong-type /default-shm-size 1:2 fatal: default-shm-size is a string, and no dockerd starts with 67108864"}},
	{"a size as null", `{"default-shm-size": null}`, []string{"wrong-type /default-shm-size 1:2 fatal: default-shm-size is a string, and no dockerd starts with null"}},
	{"a number beyond 64 bits", `{"mtu": 99999999999999999999}`, []string{"wrong-type /mtu 1:2 fatal: mtu is a whole number, and no dockerd starts with 99999999999999999999"}},
	{"a pool as a string", `{"default-address-pools": [null, {}, "1"]}`, []string{`wrong-type /default-address-pools/2 1:38 fatal: default-address-pools holds values, each of them an object, and no dockerd starts with "1"`}},
	{"a limit as a number", `{"default-ulimits": {"nofile": 1, "core": null}}`, []string{"wrong-type /default-ulimits/nofile 1:22 fatal: default-ulimits holds values, each of them an object, and no dockerd starts with 1"}},
	{"a runtime as a string", `{"runtimes": {"crun": "/usr/bin/crun"}}`, []string{`wrong-type /runtimes/crun 1:15 fatal: runtimes holds values, each of them an object, and no dockerd starts with "/usr/bin/crun"`}},
	{"a type that some do not look at", `{"allow-nondistributable-artifacts": true}`, []string{"wrong-type /allow-nondistributable-artifacts 1:2 fatal: allow-nondistributable-artifacts is a list, and a dockerd that reads it does not start with true"}},
	{"the path of a key as a number", `{"deprecated-key-path": 1}`, []string{"wrong-type /deprecated-key-path 1:2 fatal: deprecated-key-path is a string, and a dockerd that reads it does not start with 1"}},
	{"a type that none looks at", `{"containerd-plugins-namespace": 1, "no-proxy": {}}`, []string{
		"wrong-type /containerd-plugins-namespace 1:2: containerd-plugins-namespace is a string, and not 1",
		"wrong-type /no-proxy 1:37: no-proxy is a string, and not {}",
	}},
	{"a limit's number in quotes", `{"default-ulimits": {"nofile": {"Name": "nofile", "hard": "64000"}}}`, []string{`wrong-type /default-ulimits/nofile/hard 1:51 fatal: hard is a whole number, and no dockerd starts with "64000"`}},
	{"a pool's size in quotes", `{"default-address-pools": [{"base": "10.0.0.0/8", "size": "24"}]}`, []string{`wrong-type /default-address-pools/0/size 1:51 fatal: size is a whole number, and no dockerd starts with "24"`}},
	{"a runtime's arguments as a string", `{"runtimes": {"a": {"path": "/a", "runtimeArgs": "-x"}}}`, []string{`wrong-type /runtimes/a/runtimeArgs 1:35 fatal: runtimeArgs is a list, and no dockerd starts with "-x"`}},
	{"a network option as a number", `{"default-network-opts": {"bridge": {"com.docker.network.driver.mtu": 1450}}}`, []string{"wrong-type /default-network-opts/bridge/com.docker.network.driver.mtu 1:38 fatal: com.docker.network.driver.mtu is a string, and no dockerd starts with 1450"}},
	{"a proxy as a number", `{"proxies": {"http-proxy": 3128}}`, []string{"wrong-type /proxies/http-proxy 1:14 fatal: http-proxy is a string, and no dockerd starts with 3128"}},
	{"an object for a key in capitals", `{"USERNS-REMAP": {}, "Labels": {"debug": true}, "Features": {"debug": true}}`, []string{
		"wrong-type /USERNS-REMAP 1:2 fatal: userns-remap is a string, not an object; no dockerd starts with it",
		"wrong-type /Labels 1:22 fatal: labels is a list, not an object; no dockerd starts with it",
		`ignored-object /Features 1:49: dockerd has no key "Features" and ignores the object, although it checks the names in it`,
	}},
	{"a removed key of another type", `{"graph": 1}`, []string{"wrong-type /graph 1:2 fatal: graph is a string, and a dockerd that reads it does not start with 1"}},
	{"remap null", `{"userns-remap": null}`, []string{"fail-open /userns-remap 1:2: null turns remapping off"}},
	{"remap empty", `{"userns-remap": ""}`, []string{`fail-open /userns-remap 1:2: userns-remap "": userns-remap would be off while it looks on: dockerd takes the empty value for no remapping`}},
	{"remap root", `{"userns-remap": "0:0"}`, []string{`fail-open /userns-remap 1:2: userns-remap "0:0": userns-remap would be off while it looks on: dockerd logs "root cannot be remapped with itself; user namespaces are OFF" and starts without them`}},
	{"remap false", `{"userns-remap": false}`, []string{"wrong-type /userns-remap 1:2 fatal: userns-remap is a string, and no dockerd starts with false"}},
	{"remap 1000", `{"userns-remap": 1000}`, []string{"wrong-type /userns-remap 1:2 fatal: userns-remap is a string, and no dockerd starts with 1000"}},
	{"remap list", `{"userns-remap": []}`, []string{"wrong-type /userns-remap 1:2 fatal: userns-remap is a string, and no dockerd starts with []"}},
	{"remap object", `{"userns-remap": {"user": "x"}}`, []string{`wrong-type /userns-remap 1:2 fatal: userns-remap is a string, and no dockerd starts with {"user": "x"}`}},
	{"remap of three", `{"userns-remap": "a:b:c"}`, []string{`bad-remap /userns-remap 1:2 fatal: userns-remap "a:b:c": not a user or user:group: dockerd does not start with more than one colon in it`}},
}

// An empty file starts every dockerd but 20.10, so that it is a finding and
// no error.
func TestLint(t *testing.T) {
	for _, test := range lints {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(test.in))
			require.NoError(t, err)
			var got []string
			for _, f := range doc.Lint() {
				line := string(f.ID) + " " + members.Pointer(f.Path) + fmt.Sprintf(" %d:%d", f.Pos.Line, f.Pos.Col)
				if f.Level == daemoncfg.LevelFatal {
					line += " fatal"
				}
				got = append(got, line+": "+f.Text)
			}
			assert.Equal(t, test.want, got)
		})
	}
}
