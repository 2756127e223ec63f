package docker_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// A daemon that was stopped in its tracks still has its connections accepted,
// by the kernel.
func TestADaemonThatHangsIsGivenUpAndNotCalledDown(t *testing.T) {
	dir, err := os.MkdirTemp("", "d")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	start := time.Now()
	_, err = docker.ReadWithin(t.Context(), "unix://"+filepath.Join(dir, "s"), time.Second)
	require.Error(t, err)
	assert.NotErrorIs(t, err, engine.ErrDown)
	assert.ErrorContains(t, err, "no answer within 1s")
	assert.Less(t, time.Since(start), 5*time.Second, "a second for all of its requests, and not for each")
}

func TestAContainerThatHangsIsUnread(t *testing.T) {
	a := whole()
	host := serve(t, "1.52", a)
	proxy := hangOn(t, host, "/containers/"+id+"/json")
	e, err := docker.ReadWithin(t.Context(), proxy, 300*time.Millisecond)
	require.NoError(t, err)
	assert.NotEmpty(t, e.Unread["Containers/web"])
	require.Len(t, e.Containers, 1)
	assert.True(t, e.Containers[0].Unread)
}

// hangOn passes requests on to a daemon, but for those of one path.
func hangOn(t *testing.T, host, path string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "d")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			return net.Dial("unix", strings.TrimPrefix(host, "unix://"))
		}},
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, path) {
			<-r.Context().Done()
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return "unix://" + filepath.Join(dir, "s")
}
