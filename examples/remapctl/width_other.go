//go:build !unix

package main

func (e *env) width() int { return 80 }
