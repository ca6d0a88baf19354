// An SMTP server for tests: STARTTLS with a certificate of its own making, a user, and what arrives as files.
//
//	smtp FOLDER [USER PASSWORD]
//
// Writes FOLDER/ca.pem, prints the address that it listens on, and writes the n-th mail to FOLDER/n.eml, with the
// envelope in front as headers X-Envelope-From and X-Envelope-To. With a user, it takes mail over TLS from that user only.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

type server struct {
	folder, user, password string
	count                  atomic.Int64
}

type session struct {
	*server
	connection    *smtp.Conn
	authenticated bool
	from          string
	to            []string
}

func (s *server) NewSession(connection *smtp.Conn) (smtp.Session, error) {
	return &session{server: s, connection: connection}, nil
}

func (s *session) AuthMechanisms() []string {
	if s.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.user || password != s.password {
			return smtp.ErrAuthFailed
		}
		s.authenticated = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if s.user != "" && !s.authenticated {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, secure := s.connection.TLSConnectionState()
	head := fmt.Sprintf("X-Envelope-From: %s\r\nX-Envelope-To: %s\r\nX-Envelope-Tls: %t\r\n", s.from, strings.Join(s.to, ", "), secure)
	name := filepath.Join(s.folder, fmt.Sprintf("%d.eml", s.count.Add(1)))
	if err := os.WriteFile(name+".new", append([]byte(head), body...), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func (s *session) Reset()        { s.from, s.to = "", nil }
func (s *session) Logout() error { return nil }

// certificate makes one for 127.0.0.1 and localhost, and the authority that signs it.
func certificate(folder string) (tls.Certificate, error) {
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	authority := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	server := x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: begin, NotAfter: end,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	root, err := x509.CreateCertificate(rand.Reader, &authority, &authority, &signer.PublicKey, signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.CreateCertificate(rand.Reader, &server, &authority, &key.PublicKey, signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
	return tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}, os.WriteFile(filepath.Join(folder, "ca.pem"), text, 0o600)
}

func main() {
	if len(os.Args) != 2 && len(os.Args) != 4 {
		log.Fatal("usage: smtp FOLDER [USER PASSWORD]")
	}
	backend := &server{folder: os.Args[1]}
	if len(os.Args) == 4 {
		backend.user, backend.password = os.Args[2], os.Args[3]
	}
	made, err := certificate(backend.folder)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	mail := smtp.NewServer(backend)
	mail.Domain = "localhost"
	mail.TLSConfig = &tls.Config{Certificates: []tls.Certificate{made}}
	mail.AllowInsecureAuth = false
	fmt.Println(listener.Addr())
	log.Fatal(mail.Serve(listener))
}
