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
// A [Row] is one piece of work, and its sides all do that work, on the same
// input, in the same run. Sides take turns: what is printed is the ratio of two
// times that were taken within a moment of each other, as a median, so that a
// machine that is busy with other things slows both sides down and not the one
// that happened to run then. Libraries
// are charged time on a CPU, programs the time on the clock. How far two turns
// of the very same code are apart is printed as well; a smaller difference
// means nothing.
//
// Each side's answer is checked against one that was worked out when the input
// was made, by other means than any side's. A side that is fast and wrong is
// shown as wrong and does not count as the fastest.
//
// Peers are given their best case. Where what they export does more than the
// row asks for, the function inside that does the work alone is called, see
// peers.go.
package peerbench
