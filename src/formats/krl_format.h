/*
 * The numbers of OpenSSH's PROTOCOL.krl, for krl.c, which reads, and krl_write.c.
 */
#ifndef FORMATS_KRL_FORMAT_H
#define FORMATS_KRL_FORMAT_H

#define KRL_MAGIC "SSHKRL\n" /* with its NUL */
#define KRL_MAGIC_SIZE 8
#define KRL_VERSION 1
#define KRL_SHA1_SIZE 20
#define KRL_SHA256_SIZE 32

enum krl_section {
	KRL_CERTIFICATES = 1,
	KRL_EXPLICIT_KEY = 2,
	KRL_SHA1 = 3,
	KRL_SHA256 = 5,
	KRL_EXTENSION = 255,
	/* inside a section of certificates */
	KRL_SERIAL_LIST = 0x20,
	KRL_SERIAL_RANGE = 0x21,
	KRL_SERIAL_BITMAP = 0x22,
	KRL_KEY_ID = 0x23,
	KRL_CERT_EXTENSION = 0x39,
};

#endif
