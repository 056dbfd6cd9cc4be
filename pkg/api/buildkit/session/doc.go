// SPDX-License-Identifier: Apache-2.0

// Package session is the client of a build as the builder sees it: whoever has the
// context, the secrets and the credentials, and takes what is made. The client opens a
// connection for it (POST /session) on which the builder calls its methods.
//
//	session.go  the connection; those that there are
//	packet.go   fsutil's messages
//	receive.go  a directory of the client's, as an archive
//	send.go     files for the client
//	ask.go      secrets, credentials, archives on its standard input
//
// Sources: BuildKit's session, session/filesync, session/secrets, session/auth,
// session/upload, and github.com/tonistiigi/fsutil (send.go has the protocol).
//
// What comes is hostile: names are checked, numbers and sizes bounded. Nothing here
// writes into a file system.
package session
