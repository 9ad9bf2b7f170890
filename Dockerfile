# The gateway:              docker build -t sallyport .
# An upstream to try it on: docker build -t sallyport-machine --target machine .
# Both, running:            docker compose up

FROM debian:bookworm AS build
WORKDIR /src
COPY build-aux build-aux
RUN build-aux/deps build
# libssh changes less often than the sources of sallyport, so it has a layer of its own.
COPY Makefile .
RUN make -j"$(nproc)" libssh
COPY . .
RUN make -j"$(nproc)" && make install PREFIX=/usr DESTDIR=/out

FROM debian:bookworm-slim AS machine
RUN apt-get update \
    && apt-get install -y --no-install-recommends openssh-server \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
COPY contrib/docker/machine.sh contrib/docker/client.sh contrib/docker/answers.sh /usr/local/lib/sallyport/
EXPOSE 22
HEALTHCHECK --interval=15s --timeout=5s --start-period=2m CMD ["/usr/local/lib/sallyport/answers.sh", "22"]
CMD ["/usr/local/lib/sallyport/machine.sh"]

FROM debian:bookworm-slim AS gateway
RUN apt-get update \
    && apt-get install -y --no-install-recommends libinih1 liboath0 libpcre2-8-0 libqrencode4 libseccomp2 libsodium23 libssl3 zlib1g \
        $([ "$(dpkg --print-architecture)" != amd64 ] || echo libipsec-mb1) \
    && rm -rf /var/lib/apt/lists/* \
    && for user in sallyport sallyport-net; do \
        useradd --system --user-group --no-create-home --shell /usr/sbin/nologin $user || exit; done \
    && install -d -o sallyport -g sallyport /var/lib/sallyport
COPY --from=build /out /
COPY contrib/docker/gateway.sh contrib/docker/answers.sh /usr/local/lib/sallyport/
# There is no USER: the gateway starts as root, the keeper becomes sallyport, and all other processes
# become sallyport-net.  With docker run --user, all of it runs as that user.
EXPOSE 2222
HEALTHCHECK --interval=15s --timeout=5s --start-period=2m CMD ["/usr/local/lib/sallyport/answers.sh", "2222"]
ENTRYPOINT ["sallyport"]
CMD ["serve"]
