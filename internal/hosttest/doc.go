// Package hosttest makes the hosts that tests work on: trees of files written
// as txtar, and a mount namespace of the test's own in which /etc is a copy and
// /var/lib is empty, so that real programs can run on them.
package hosttest
