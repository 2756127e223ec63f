package hosttest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/usernskit/usernskit"
)

// Tree writes the files of a txtar text below a new directory and returns the
// host with that root. An empty file "etc/x -> y" is a symbolic link. The host
// has no programs: its Run fails.
func Tree(t testing.TB, text string) usernskit.Host {
	t.Helper()
	root := t.TempDir()
	archive := txtar.Parse([]byte(text))
	require.NotEmpty(t, archive.Files, "BUG: a tree of no files")
	for _, f := range archive.Files {
		name, link, isLink := strings.Cut(f.Name, " -> ")
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if isLink {
			require.NoError(t, os.Symlink(link, path))
			continue
		}
		require.NoError(t, os.WriteFile(path, f.Data, 0o644))
	}
	return usernskit.Host{Root: root}
}

// Snapshot returns the content of every file below the host's root by its path
// on the host; links give "-> target". Left out are /var/lib/usernskit and
// /etc/.pwd.lock, which usernskit and shadow-utils leave.
func Snapshot(t testing.TB, h usernskit.Host) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(h.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, h.Root), "/")
		switch {
		case name == "/var/lib/usernskit":
			return fs.SkipDir
		case name == "/etc/.pwd.lock" || d.IsDir():
			return nil
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			files[name] = "-> " + target
			return err
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	})
	require.NoError(t, err)
	return files
}
