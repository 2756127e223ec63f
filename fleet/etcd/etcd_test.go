package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/fleet/etcd"
	"github.com/usernskit/usernskit/subid"
)

// A server is an etcd of the test's own, on loopback, with its own data.
type server struct {
	t    *testing.T
	args []string
	url  string
	cmd  *exec.Cmd
}

// newServer starts Debian's etcd. Without it the test is skipped, visibly;
// USERNSKIT_E2E=require makes that a failure.
func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		if os.Getenv("USERNSKIT_E2E") == "require" {
			t.Fatal("needs etcd (Debian's etcd-server), and USERNSKIT_E2E=require")
		}
		t.Skip("needs etcd (Debian's etcd-server)")
	}
	scheme := "http"
	if len(args) > 0 {
		scheme = "https"
	}
	client, peer := freePort(t), freePort(t)
	s := &server{t: t, url: fmt.Sprintf("%s://127.0.0.1:%d", scheme, client)}
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", peer)
	s.args = append([]string{
		"--name", "test", "--data-dir", t.TempDir(),
		"--listen-client-urls", s.url, "--advertise-client-urls", s.url,
		"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL,
		"--initial-cluster", "test=" + peerURL,
	}, args...)
	s.start()
	t.Cleanup(s.kill)
	return s
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("etcd", s.args...)
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "ETCD_UNSUPPORTED_ARCH=" + os.Getenv("ETCD_UNSUPPORTED_ARCH")}
	require.NoError(s.t, s.cmd.Start())
}

// kill ends the server as a crash does.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// client connects and waits until the server answers.
func (s *server) client() *clientv3.Client {
	s.t.Helper()
	c := s.connect(clientv3.Config{Endpoints: []string{s.url}})
	require.Eventually(s.t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.Get(ctx, "ready")
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	return c
}

func (s *server) connect(config clientv3.Config) *clientv3.Client {
	s.t.Helper()
	config.Logger = zap.NewNop()
	c, err := clientv3.New(config)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { c.Close() })
	return c
}

var space = fleet.Space{Min: 1 << 20, Count: 65536, Slots: 200}

func newHost(t *testing.T, number int) usernskit.Host {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
	for name, text := range map[string]string{
		"machine-id": fmt.Sprintf("%032x\n", number+1),
		"hostname":   fmt.Sprintf("host%d\n", number),
		"passwd":     "root:x:0:0::/root:/bin/sh\n",
		"group":      "root:x:0:\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644))
	}
	return usernskit.Host{Root: root}
}

func claims(t *testing.T, reg fleet.Registry) map[int]fleet.Claim {
	t.Helper()
	list := map[int]fleet.Claim{}
	for c, err := range reg.List(context.Background()) {
		require.NoError(t, err)
		require.NotContains(t, list, c.Slot)
		list[c.Slot] = c
	}
	return list
}

// enroll is what a program does on a host.
func enroll(ctx context.Context, h usernskit.Host, reg fleet.Registry) (fleet.Claim, error) {
	c, plan, err := fleet.Plan(ctx, h, reg, fleet.Request{Space: space})
	if err != nil {
		return fleet.Claim{}, err
	}
	if _, err := h.Apply(ctx, plan); err != nil {
		return fleet.Claim{}, err
	}
	return c, c.Confirm(ctx, reg)
}

func TestManyHostsClaimAtOnce(t *testing.T) {
	s := newServer(t)
	s.client()
	const clients, each = 50, 4 // 200 slots: the space ends up full
	var wg sync.WaitGroup
	var mu sync.Mutex
	holders := map[int]int{}
	for n := range clients {
		reg := etcd.Registry{Client: s.connect(clientv3.Config{Endpoints: []string{s.url}})}
		wg.Go(func() {
			for i := range each {
				host := n*each + i
				c, err := enroll(context.Background(), newHost(t, host), reg)
				if !assert.NoError(t, err, "host %d", host) {
					return
				}
				mu.Lock()
				other, twice := holders[c.Slot]
				assert.False(t, twice, "slot %d went to hosts %d and %d", c.Slot, other, host)
				holders[c.Slot] = host
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	reg := etcd.Registry{Client: s.client()}
	list := claims(t, reg)
	assert.Len(t, list, clients*each, "none is lost")
	for slot, c := range list {
		assert.Equal(t, fmt.Sprintf("host%d", holders[slot]), c.Host)
		assert.Equal(t, fleet.Applied, c.State)
	}
	_, _, err := fleet.Plan(context.Background(), newHost(t, clients*each), reg, fleet.Request{Space: space})
	require.ErrorIs(t, err, fleet.ErrFull)
}

// TestKilledBetweenSteps kills a real process, by SIGKILL, where it has claimed
// and not applied, and where it has applied and not confirmed.
func TestKilledBetweenSteps(t *testing.T) {
	if step := os.Getenv("ETCD_TEST_STEP"); step != "" {
		killMyself(step)
	}
	s := newServer(t)
	reg := etcd.Registry{Client: s.client()}
	for i, step := range []string{"claimed", "applied"} {
		t.Run("after it has "+step, func(t *testing.T) {
			h := newHost(t, i)
			cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledBetweenSteps$")
			cmd.Env = append(os.Environ(), "ETCD_TEST_STEP="+step, "ETCD_TEST_URL="+s.url, "ETCD_TEST_ROOT="+h.Root)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)

			one := fleet.Export{Machine: fmt.Sprintf("%032x", i+1), Host: fmt.Sprintf("host%d", i)}
			var slot int
			for _, c := range claims(t, reg) {
				if c.Host == one.Host {
					slot = c.Slot
					assert.Equal(t, fleet.Claimed, c.State)
				}
			}
			if step == "applied" {
				r, err := space.Slot(slot)
				require.NoError(t, err)
				for _, name := range []string{"/etc/subuid", "/etc/subgid"} {
					data, err := h.ReadFile(name)
					require.NoError(t, err)
					require.Equal(t, "dockremap:"+r.String()+"\n", string(data))
					one.Ranges = append(one.Ranges, subid.Claim{File: name, Line: 1, Owner: "dockremap", Range: r})
				}
			}
			problems, err := fleet.Audit(context.Background(), reg, space, func(yield func(fleet.Export, error) bool) { yield(one, nil) })
			require.NoError(t, err)
			problems = slices.DeleteFunc(problems, func(p fleet.Problem) bool { return p.Host != one.Host })
			if step == "claimed" {
				require.Len(t, problems, 1)
				assert.Equal(t, fleet.ProblemNotApplied, problems[0].ID)
			} else {
				assert.Empty(t, problems, "its files are as claimed")
			}

			c, err := enroll(context.Background(), h, reg)
			require.NoError(t, err, "a second run finishes it")
			assert.Equal(t, slot, c.Slot)
			assert.Equal(t, fleet.Applied, claims(t, reg)[slot].State)
		})
	}
}

func killMyself(step string) {
	ctx := context.Background()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{os.Getenv("ETCD_TEST_URL")}, Logger: zap.NewNop()})
	if err != nil {
		panic(err)
	}
	h := usernskit.Host{Root: os.Getenv("ETCD_TEST_ROOT")}
	_, plan, err := fleet.Plan(ctx, h, etcd.Registry{Client: client}, fleet.Request{Space: space})
	if err == nil && step == "applied" {
		_, err = h.Apply(ctx, plan)
	}
	if err != nil {
		panic(err)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func TestServerRestartedMidway(t *testing.T) {
	s := newServer(t)
	reg := etcd.Registry{Client: s.client()}
	h := newHost(t, 1)
	c, plan, err := fleet.Plan(context.Background(), h, reg, fleet.Request{Space: space})
	require.NoError(t, err)
	s.kill()
	receipt, err := h.Apply(context.Background(), plan)
	require.NoError(t, err, "applying needs no registry")
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	require.Error(t, c.Confirm(ctx, reg))
	s.start()
	s.client()
	require.NoError(t, c.Confirm(context.Background(), reg))
	assert.Equal(t, fleet.Applied, claims(t, reg)[c.Slot].State)
	s.kill()
	require.NoError(t, h.Undo(context.Background(), receipt.ID, nil), "undoing needs no registry")
}

func TestPausedServer(t *testing.T) {
	s := newServer(t)
	reg := etcd.Registry{Client: s.client()}
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGSTOP))
	defer func() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }()
	h := newHost(t, 1)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, plan, err := fleet.Plan(ctx, h, reg, fleet.Request{Space: space})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), 3*time.Second, "the caller's bound is kept")
	assert.True(t, plan.Empty())
	_, err = h.Stat("/etc/subuid")
	require.ErrorIs(t, err, os.ErrNotExist, "nothing is half-done on the host")
	t.Run("without the caller's bound there is one of our own", func(t *testing.T) {
		start := time.Now()
		for _, err := range reg.List(context.Background()) {
			require.Error(t, err)
		}
		assert.Less(t, time.Since(start), 15*time.Second)
	})
}

func TestList(t *testing.T) {
	s := newServer(t)
	client := s.client()
	reg := etcd.Registry{Client: client, Prefix: "/other/"}
	const slots = 2500 // three pages
	ctx := context.Background()
	for n := 0; n < slots; n += 100 {
		var puts []clientv3.Op
		for slot := n; slot < n+100; slot++ {
			value := fmt.Sprintf(`{"slot":%d,"host":"host%d","owner":"dockremap","state":"applied","time":"2026-01-01T00:00:00Z"}`, slot, slot)
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("/other/%010d", slot), value))
		}
		_, err := client.Txn(ctx).Then(puts...).Commit()
		require.NoError(t, err)
	}
	_, err := client.Put(ctx, "/other0", "a neighbour of the prefix")
	require.NoError(t, err)

	t.Run("every claim once, over several pages", func(t *testing.T) {
		assert.Len(t, claims(t, reg), slots)
	})
	t.Run("as all were at one moment", func(t *testing.T) {
		seen := 0
		for c, err := range reg.List(ctx) {
			require.NoError(t, err)
			if seen == 0 {
				require.NoError(t, fleet.Claim{Slot: slots - 1, Host: fmt.Sprintf("host%d", slots-1), Owner: "dockremap"}.Release(ctx, reg))
			}
			if c.Slot == slots-1 {
				assert.Equal(t, fleet.Applied, c.State, "released after the list began")
			}
			seen++
		}
		assert.Equal(t, slots, seen)
		assert.Equal(t, fleet.Released, claims(t, reg)[slots-1].State)
	})
	t.Run("a caller that wants no more", func(t *testing.T) {
		seen := 0
		for range reg.List(ctx) {
			seen++
			break
		}
		assert.Equal(t, 1, seen)
	})
	for _, c := range []struct{ name, key, value string }{
		{"a value that is not JSON", "/broken/0000000001", "x"},
		{"a claim of another slot", "/broken/0000000001", `{"slot":2,"owner":"a","state":"applied"}`},
		{"a state that does not exist", "/broken/0000000001", `{"slot":1,"owner":"a","state":"done"}`},
		{"a key that is not a number", "/broken/x", `{"slot":1,"owner":"a","state":"applied"}`},
		{"a number of another length", "/broken/01", `{"slot":1,"owner":"a","state":"applied"}`},
	} {
		t.Run(c.name+" is not skipped", func(t *testing.T) {
			_, err := client.Delete(ctx, "/broken/", clientv3.WithPrefix())
			require.NoError(t, err)
			_, err = client.Put(ctx, c.key, c.value)
			require.NoError(t, err)
			var got error
			for _, err := range (etcd.Registry{Client: client, Prefix: "/broken/"}).List(ctx) {
				got = errors.Join(got, err)
			}
			require.ErrorContains(t, got, "is not a claim")
		})
	}
}

// A claim asks for one slot, however many there are: the number of requests is
// what makes it quick beside 10,000 hosts.
func TestClaimBesideManyHosts(t *testing.T) {
	s := newServer(t)
	client := s.client()
	large := fleet.Space{Min: 1 << 20, Count: 65536, Slots: 20000}
	ctx := context.Background()
	for n := 0; n < 10000; n += 100 {
		var puts []clientv3.Op
		for slot := 2 * n; slot < 2*n+200; slot += 2 {
			value := fmt.Sprintf(`{"slot":%d,"host":"h%d","owner":"dockremap","state":"applied","time":"2026-01-01T00:00:00Z"}`, slot, slot)
			puts = append(puts, clientv3.OpPut(fmt.Sprintf("%s%010d", etcd.DefaultPrefix, slot), value))
		}
		_, err := client.Txn(ctx).Then(puts...).Commit()
		require.NoError(t, err)
	}
	reg := counting{etcd.Registry{Client: client}, new(int), new(int)}
	var took []time.Duration
	for n := range 50 {
		h := newHost(t, n)
		start := time.Now()
		_, _, err := fleet.Plan(ctx, h, reg, fleet.Request{Space: large})
		took = append(took, time.Since(start))
		require.NoError(t, err)
	}
	slices.Sort(took)
	t.Logf("claim and plan beside 10,000 claims: median %v, %d requests for 50 hosts", took[25], *reg.claims)
	assert.LessOrEqual(t, *reg.claims, 150, "every second slot is free: about 1.5 tries a host")
	assert.Zero(t, *reg.lists)
}

// counting counts what is asked of a registry.
type counting struct {
	etcd.Registry
	claims, lists *int
}

func (c counting) Claim(ctx context.Context, cl fleet.Claim) error {
	*c.claims++
	return c.Registry.Claim(ctx, cl)
}

func (c counting) List(ctx context.Context) iter.Seq2[fleet.Claim, error] {
	*c.lists++
	return c.Registry.List(ctx)
}

func TestTLSAndPassword(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	s := newServer(t, "--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", cert)
	env := map[string]string{"ETCDCTL_ENDPOINTS": s.url, "ETCDCTL_CACERT": cert, "ETCDCTL_CERT": cert, "ETCDCTL_KEY": key}
	getenv := func(name string) string { return env[name] }
	config, err := etcd.ConfigFromEnv(getenv)
	require.NoError(t, err)
	client := s.connect(config)
	reg := etcd.Registry{Client: client}
	require.Eventually(t, func() bool {
		return reg.Claim(context.Background(), fleet.Claim{Slot: 1, Owner: "dockremap", State: fleet.Claimed}) == nil
	}, 30*time.Second, 100*time.Millisecond)

	t.Run("without the certificate", func(t *testing.T) {
		bare := s.connect(clientv3.Config{Endpoints: []string{s.url}})
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		require.Error(t, etcd.Registry{Client: bare}.Claim(ctx, fleet.Claim{Slot: 2, Owner: "x", State: fleet.Claimed}))
		assert.NotContains(t, claims(t, reg), 2)
	})
	t.Run("a password is read as etcdctl reads it", func(t *testing.T) {
		env["ETCDCTL_USER"] = "root:se:cret"
		config, err := etcd.ConfigFromEnv(getenv)
		require.NoError(t, err)
		assert.Equal(t, "root", config.Username)
		assert.Equal(t, "se:cret", config.Password)
	})
	t.Run("a file that is not a certificate", func(t *testing.T) {
		env["ETCDCTL_CACERT"] = filepath.Join(dir, "key.pem")
		_, err := etcd.ConfigFromEnv(getenv)
		require.ErrorContains(t, err, "no certificate")
	})
}

// certificate writes one that is its own authority, for 127.0.0.1.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return cert, key
}

func TestUnreachableServerIsBounded(t *testing.T) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{fmt.Sprintf("http://127.0.0.1:%d", freePort(t))}, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer client.Close()
	start := time.Now()
	_, _, err = fleet.Plan(context.Background(), newHost(t, 1), etcd.Registry{Client: client}, fleet.Request{Space: space})
	require.ErrorContains(t, err, "etcd: ")
	assert.Less(t, time.Since(start), 20*time.Second)
}
