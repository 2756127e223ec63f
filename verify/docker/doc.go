// Package docker asks a Docker daemon what package verify wants to know of it.
// It is the only package here that speaks to the daemon.
//
//	report, err := verify.Run(ctx, verify.Options{
//		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") },
//	})
//
// It only reads, with GET requests: a proxy in front of the socket that lets
// those of /info, /containers, /images, /volumes, /networks, /plugins and
// /system/df through is enough, and what it does not let through is listed in
// Engine.Unread. The daemon is found as Docker's own tools find it, by
// DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and DOCKER_API_VERSION;
// docker contexts are not looked at.
package docker
