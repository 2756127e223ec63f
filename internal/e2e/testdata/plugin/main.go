// Plugin is what dockerd wants of a managed plugin: something that listens.
package main

import "net"

func main() {
	l, err := net.Listen("unix", "/run/docker/plugins/p.sock")
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		c.Close()
	}
}
