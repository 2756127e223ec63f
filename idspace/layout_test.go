package idspace_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// layouts are hosts whose pictures were wrong once, or could be.
func layouts(t *testing.T) map[string]idspace.Space {
	const accounts = "root:x:0:0::/:\nbin:x:1:1::/:\nalice:x:1000:1000::/:\n山田太郎:x:1002:1002::/:\nnobody:x:65534:65534::/:\n"
	var forty, containers strings.Builder
	for i := range 40 {
		fmt.Fprintf(&forty, "user%d:%d:65536\n", i, 100000+i*65536)
		fmt.Fprintf(&containers, "a-rather-long-name-of-a-container-%d 0 %d 65536\n", i, 100000+i*65536)
	}
	spaces := map[string]idspace.Space{}
	for name, files := range map[string][3]string{ // subuid, the account of dockerd, namespaces
		"three ranges":     {"alice:100000:65536\nbob:165536:65536\ndockremap:231072:65536\n", "dockremap", "web 0 231072 65536\n"},
		"forty ranges":     {forty.String()},
		"forty containers": {forty.String(), "user7", containers.String()},
		"overlaps":         {"alice:100000:65536\nbob:150000:65536\ndockremap:100000:65536\ncarol:50000:20000\n", "dockremap", "old 0 0 4294967295\n"},
		"long names":       {`CORP\a.very.long.user.name.of.a.directory.service@example.org` + ":100000:65536\n" + strings.Repeat("x", 200) + ":165536:65536\n", "", ""},
		"wide characters":  {"山田太郎:100000:65536\nмария:165536:65536\n😀😀:300000:65536\n", "山田太郎", "容器 0 100000 65536\n"},
		"nothing":          {},
	} {
		text := accounts
		if name == "nothing" {
			text = "root:x:0:0::/:\n"
		}
		spaces[name] = idspace.New(idspace.Users, sources(t, []txtar.File{
			{Name: "etc/passwd", Data: []byte(text)}, {Name: "etc/subuid", Data: []byte(files[0])},
			{Name: "remap", Data: []byte(files[1])}, {Name: "namespaces", Data: []byte(files[2])},
		}))
	}
	return spaces
}

// The browser says where it draws each text: none meets another one or leaves the page.
func TestLabels(t *testing.T) {
	hosttest.Need(t, "chromium")
	const script = `<script>
const found = {};
for (const svg of document.querySelectorAll("svg")) {
	const list = found[svg.parentNode.id] = [], page = svg.getBoundingClientRect();
	const boxes = [...svg.querySelectorAll("text")].map(e => [e.textContent, e.getBoundingClientRect()]);
	boxes.forEach(([text, a], i) => {
		if (a.left < page.left || a.right > page.right || a.bottom > page.bottom) list.push(text + " leaves the page");
		for (const [other, b] of boxes.slice(i + 1))
			if (a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom) list.push(text + " meets " + other);
	});
}
document.body.textContent = "<found>" + JSON.stringify(found) + "</found>";
</script>`
	page := "<!DOCTYPE html><meta charset=utf-8><body>"
	for name, space := range layouts(t) {
		page += fmt.Sprintf("<div id=%q>%s</div>", name, svg(t, space))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(file, []byte(page+script), 0o644))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1600,900", "--dump-dom", "file://"+file).Output()
	require.NoError(t, err)
	match := regexp.MustCompile(`&lt;found&gt;(.*)&lt;/found&gt;`).FindSubmatch(out)
	require.NotNil(t, match, "%s", out)
	var found map[string][]string
	require.NoError(t, json.Unmarshal(match[1], &found))
	for name := range layouts(t) {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, found, name)
			assert.Empty(t, found[name])
		})
	}
}

// A line that is too long is broken, at any width; text measures each one.
func TestNothingIsCut(t *testing.T) {
	joined := func(picture string) string {
		return strings.Join(strings.FieldsFunc(picture, func(r rune) bool { return strings.ContainsRune(" \n│┊", r) }), "")
	}
	for name, space := range layouts(t) {
		t.Run(name, func(t *testing.T) {
			space.Caption = "web1, 2026-11-27"
			for _, width := range []int{40, 80, 200} {
				got := text(t, space, idspace.Text{Width: width})
				assert.NotContains(t, got, "…")
				assert.True(t, strings.HasPrefix(got, "UID space of web1, 2026-11-27\n\n"))
				if name == "long names" {
					assert.Contains(t, joined(got), strings.Repeat("x", 200)+"65,536subuidline2")
				}
			}
			used := strings.Contains(text(t, space, idspace.Text{Width: 80}), "←")
			assert.Equal(t, used, strings.Contains(svg(t, space), "inside a namespace"))
		})
	}
}
