// Package etcd keeps the claims of a fleet in etcd, one key for each slot.
//
//	client, err := clientv3.New(config)
//	registry := etcd.Registry{Client: client}
//	claim, plan, err := fleet.Plan(ctx, host, registry, request)
//
// A key is the prefix and the number of the slot in ten digits; its value is
// the claim as JSON. A claim is one transaction that compares the key with what
// was seen before, so of two claims of one slot one loses. Claims have no
// lease: the files of a host, and the data of its containers, outlive its
// connection.
//
// It is a module of its own, so that no program without a fleet links etcd.
package etcd

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/usernskit/usernskit/fleet"
)

// DefaultPrefix is where claims are kept if [Registry.Prefix] is empty.
const DefaultPrefix = "/usernskit/slots/"

// page is how many claims one request asks for.
const page = 1000

// timeout bounds one request to etcd.
const timeout = 5 * time.Second

// A Registry is the claims below a prefix of an etcd cluster. Several
// goroutines may use it.
type Registry struct {
	Client *clientv3.Client
	Prefix string // ends in "/"; if empty, [DefaultPrefix]
}

func (r Registry) prefix() string { return cmp.Or(r.Prefix, DefaultPrefix) }

// key is ordered like the numbers of the slots.
func (r Registry) key(slot int) string { return fmt.Sprintf("%s%010d", r.prefix(), slot) }

// List yields the claims in the order of their slots, as of one moment: later
// pages are read at the revision of the first.
func (r Registry) List(ctx context.Context) iter.Seq2[fleet.Claim, error] {
	return func(yield func(fleet.Claim, error) bool) {
		_, err := r.list(ctx, func(c fleet.Claim) bool { return yield(c, nil) })
		if err != nil && !errors.Is(err, errStop) {
			yield(fleet.Claim{}, err)
		}
	}
}

// errStop ends list early.
var errStop = errors.New("stop")

// list calls visit for every claim until it returns false, and returns the
// revision that they are from.
func (r Registry) list(ctx context.Context, visit func(fleet.Claim) bool) (revision int64, err error) {
	end := clientv3.GetPrefixRangeEnd(r.prefix())
	from := r.prefix()
	for {
		opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(page)}
		if revision > 0 {
			opts = append(opts, clientv3.WithRev(revision))
		}
		res, err := bounded(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) {
			return r.Client.Get(ctx, from, opts...)
		})
		if err != nil {
			return 0, err
		}
		revision = cmp.Or(revision, res.Header.Revision)
		for _, kv := range res.Kvs {
			c, err := r.parse(kv.Key, kv.Value)
			if err != nil {
				return 0, err
			}
			if !visit(c) {
				return 0, errStop
			}
			from = string(kv.Key) + "\x00"
		}
		if !res.More {
			return revision, nil
		}
	}
}

// Watch yields the existing claims and then each change, until ctx ends or an
// error, after which it may be called again.
func (r Registry) Watch(ctx context.Context) iter.Seq2[fleet.Claim, error] {
	return func(yield func(fleet.Claim, error) bool) {
		revision, err := r.list(ctx, func(c fleet.Claim) bool { return yield(c, nil) })
		if errors.Is(err, errStop) {
			return
		}
		if err != nil {
			yield(fleet.Claim{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the watch on the server too
		changes := r.Client.Watch(clientv3.WithRequireLeader(ctx), r.prefix(), clientv3.WithPrefix(), clientv3.WithRev(revision+1))
		for res := range changes {
			if err := res.Err(); err != nil {
				yield(fleet.Claim{}, fmt.Errorf("etcd: %w", err))
				return
			}
			for _, event := range res.Events {
				if event.Type == clientv3.EventTypeDelete {
					continue // an administrator deleted it
				}
				if c, err := r.parse(event.Kv.Key, event.Kv.Value); !yield(c, err) || err != nil {
					return
				}
			}
		}
		yield(fleet.Claim{}, fmt.Errorf("etcd: the watch ended: %w", cmp.Or(ctx.Err(), context.Canceled)))
	}
}

// Claim implements [fleet.Registry].
func (r Registry) Claim(ctx context.Context, c fleet.Claim) error {
	return r.change(ctx, c.Slot, func(have *fleet.Claim) (*fleet.Claim, error) {
		if err := c.May(have); err != nil {
			return nil, err
		}
		return &c, nil
	})
}

// Release implements [fleet.Registry].
func (r Registry) Release(ctx context.Context, c fleet.Claim) error {
	return r.change(ctx, c.Slot, func(have *fleet.Claim) (*fleet.Claim, error) {
		switch {
		case have == nil:
			return nil, nil
		case !have.Held(c):
			return nil, &fleet.TakenError{By: *have}
		}
		released := *have
		released.State, released.Time = fleet.Released, time.Now().UTC().Truncate(time.Second)
		return &released, nil
	})
}

// change replaces a slot's claim by what decide returns for it; nil leaves it.
// It first assumes a free slot; etcd returns the claim if there is one. After a
// change by others in between it decides again.
func (r Registry) change(ctx context.Context, slot int, decide func(have *fleet.Claim) (*fleet.Claim, error)) error {
	key := r.key(slot)
	var have *fleet.Claim
	seen := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	for {
		next, err := decide(have)
		if err != nil {
			return err
		}
		var write []clientv3.Op // none if decide leaves the slot
		if next != nil {
			value, err := json.Marshal(next)
			if err != nil {
				return fmt.Errorf("BUG: %w", err)
			}
			write = append(write, clientv3.OpPut(key, string(value)))
		}
		res, err := bounded(ctx, func(ctx context.Context) (*clientv3.TxnResponse, error) {
			return r.Client.Txn(ctx).If(seen).Then(write...).Else(clientv3.OpGet(key)).Commit()
		})
		if err != nil || res.Succeeded {
			return err
		}
		have, seen = nil, clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
		for _, kv := range res.Responses[0].GetResponseRange().Kvs {
			c, err := r.parse(kv.Key, kv.Value)
			if err != nil {
				return err
			}
			have, seen = &c, clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)
		}
	}
}

// parse reads one key and its value. A key that holds something else is an
// error: its slot would be given again.
func (r Registry) parse(key, value []byte) (fleet.Claim, error) {
	var c fleet.Claim
	number := strings.TrimPrefix(string(key), r.prefix())
	slot, err := strconv.Atoi(number)
	if err == nil {
		err = json.Unmarshal(value, &c)
	}
	if err == nil && (c.Slot != slot || r.key(slot) != string(key)) {
		err = fmt.Errorf("its value is about slot %d", c.Slot)
	}
	if err == nil && c.State == "" {
		err = errors.New("its value has no state")
	}
	if err != nil {
		return fleet.Claim{}, fmt.Errorf("etcd: key %q is not a claim: %w", key, err)
	}
	return c, nil
}

// bounded runs one request with the time limit of this package.
func bounded[T any](ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := ask(ctx)
	if err != nil {
		var none T
		return none, fmt.Errorf("etcd: %w", err)
	}
	return res, nil
}

// ConfigFromEnv reads the cluster from etcdctl(1)'s variables:
// ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY, and
// ETCDCTL_USER with the password in ETCDCTL_PASSWORD or after a colon.
func ConfigFromEnv(getenv func(name string) string) (clientv3.Config, error) {
	user, password, _ := strings.Cut(getenv("ETCDCTL_USER"), ":")
	config := clientv3.Config{
		Endpoints:   strings.Split(cmp.Or(getenv("ETCDCTL_ENDPOINTS"), "127.0.0.1:2379"), ","),
		Username:    user,
		Password:    cmp.Or(getenv("ETCDCTL_PASSWORD"), password),
		DialTimeout: timeout,
	}
	ca, cert, key := getenv("ETCDCTL_CACERT"), getenv("ETCDCTL_CERT"), getenv("ETCDCTL_KEY")
	if ca == "" && cert == "" && key == "" {
		return config, nil
	}
	config.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return clientv3.Config{}, err
		}
		config.TLS.RootCAs = x509.NewCertPool()
		if !config.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return clientv3.Config{}, fmt.Errorf("%s: holds no certificate in PEM form", ca)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return clientv3.Config{}, err
		}
		config.TLS.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
