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

// key returns the key of a slot. Keys sort like the numbers of the slots.
func (r Registry) key(slot int) string { return fmt.Sprintf("%s%010d", r.prefix(), slot) }

// List yields the claims in the order of their slots, as of one moment: later
// pages are read at the revision of the first.
func (r Registry) List(ctx context.Context) iter.Seq2[fleet.Claim, error] {
	return func(yield func(fleet.Claim, error) bool) {
		from, revision := r.prefix(), int64(0) // 0 is the newest
		for more := true; more; {
			res, err := bounded(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) {
				return r.Client.Get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(r.prefix())),
					clientv3.WithLimit(page), clientv3.WithRev(revision))
			})
			if err != nil {
				yield(fleet.Claim{}, err)
				return
			}
			for _, kv := range res.Kvs {
				if c, err := r.parse(kv.Key, kv.Value); !yield(c, err) || err != nil {
					return
				}
				from = string(kv.Key) + "\x00"
			}
			revision, more = cmp.Or(revision, res.Header.Revision), res.More
		}
	}
}

// Claim implements [fleet.Registry]. It first assumes a free slot; if there is a
// claim, etcd returns it. If another program changes the claim in between, it
// decides again.
func (r Registry) Claim(ctx context.Context, c fleet.Claim) error {
	key := r.key(c.Slot)
	var have *fleet.Claim
	seen := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	for {
		next, err := c.Over(have)
		if err != nil {
			return err
		}
		var write []clientv3.Op // none if the slot stays as it is
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
			found, err := r.parse(kv.Key, kv.Value)
			if err != nil {
				return err
			}
			have, seen = &found, clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)
		}
	}
}

// parse reads one key and its value. A key without a valid claim is an error:
// if it were skipped, its slot would be given again.
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
