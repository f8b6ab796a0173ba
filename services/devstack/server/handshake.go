package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// handshake logs in to a private PostgreSQL: protocol 3.0, password in clear, one
// simple query. See "Message Formats" in PostgreSQL's manual.
type handshake struct {
	Address, User, Password string
}

// codeDatabaseExists is the SQLSTATE of "database already exists".
const codeDatabaseExists = "42P04"

// exec runs one statement and throws its result away. An error that the server
// reports carries its SQLSTATE and message.
func (h handshake) exec(ctx context.Context, database, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", h.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	var start []byte
	start = binary.BigEndian.AppendUint32(start, 3<<16)
	start = append(start, "user\x00"+h.User+"\x00database\x00"+database+"\x00\x00"...)
	if err := send(conn, 0, start); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	if err := h.converse(in, conn); err != nil {
		return err
	}
	if err := send(conn, 'Q', []byte(sql+"\x00")); err != nil {
		return err
	}
	return h.converse(in, conn)
}

// converse reads until the server is ready for a query, answering a request for
// the password on the way.
func (h handshake) converse(in *bufio.Reader, out io.Writer) error {
	for {
		kind, body, err := receive(in)
		if err != nil {
			return err
		}
		switch kind {
		case 'E':
			return serverError(body)
		case 'Z':
			return nil
		case 'R':
			if err := h.authenticate(body, out); err != nil {
				return err
			}
		}
	}
}

func (h handshake) authenticate(body []byte, out io.Writer) error {
	if len(body) < 4 {
		return errors.New("short authentication request")
	}
	switch method := binary.BigEndian.Uint32(body); method {
	case 0: // authenticated
		return nil
	case 3:
		return send(out, 'p', []byte(h.Password+"\x00"))
	default:
		return fmt.Errorf("the server wants authentication method %d", method)
	}
}

func send(w io.Writer, kind byte, body []byte) error {
	var message []byte
	if kind != 0 { // the first message has no kind
		message = append(message, kind)
	}
	message = binary.BigEndian.AppendUint32(message, uint32(len(body)+4))
	_, err := w.Write(append(message, body...))
	return err
}

func receive(r *bufio.Reader) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size < 4 || size > 1<<20 {
		return 0, nil, fmt.Errorf("a message of %d bytes", size)
	}
	body = make([]byte, size-4)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

// serverError reads an ErrorResponse: fields of one letter and a text each.
func serverError(body []byte) error {
	var code, text string
	for _, field := range strings.Split(string(body), "\x00") {
		if rest, ok := strings.CutPrefix(field, "C"); ok {
			code = rest
		}
		if rest, ok := strings.CutPrefix(field, "M"); ok {
			text = rest
		}
	}
	return fmt.Errorf("postgres: %s (SQLSTATE %s)", text, code)
}
