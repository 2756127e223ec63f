// Package docker asks a Docker daemon for what package verify needs. It is the
// only package that connects to the daemon.
//
//	report, err := verify.Run(ctx, verify.Options{
//		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") },
//	})
//
// It only reads, with GET and HEAD requests: a proxy of the socket that allows
// /_ping, /info, /containers, /images, /volumes, /networks, /plugins and
// /system/df is enough, and Engine.Unread lists what it refuses. The daemon is
// found as Docker's own tools find it, by DOCKER_HOST, DOCKER_TLS_VERIFY,
// DOCKER_CERT_PATH and DOCKER_API_VERSION; docker contexts are not looked at. A
// daemon before 19.03 answers only if DOCKER_API_VERSION has its version.
package docker
