// Package peerbench measures usernskit next to the programs and libraries that
// people use for the same work today. It is a module of its own, so that none
// of them reaches a program that imports usernskit.
//
//	cd internal/peerbench
//	go run ./cmd                  # the table of the README; root for the rows that write to a copy of /etc
//	go run ./cmd -run 'translate|plan'
//
// It is for Linux only.
//
// A [Row] is one piece of work. Its sides all do that work on the same input, in
// the same run. The sides take turns, and the table has the median ratio of two
// times taken a moment apart: a busy machine slows both sides down, and not only
// the one that happens to run. Libraries are charged CPU time, programs the time
// on the clock. The difference between two turns of the same code is printed too;
// a smaller difference means nothing.
//
// Each side's answer is checked against one that was worked out when the input
// was made, by other means than any side's. A side that is fast and wrong is
// shown as wrong and does not count as the fastest.
//
// Peers are given their best case. Where an exported function does more than the
// row asks for, the unexported one that does the work alone is called, see
// peers.go.
package peerbench
