# windlass, the libraries it is linked to, and the authorities that its connections are checked against; nothing else.
FROM scratch
COPY tool/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt HOME=/home/windlass
USER 65532:65532
WORKDIR /home/windlass
ENTRYPOINT ["/bin/windlass"]
