-- Run once on the primary. Choose passwords of your own.
CREATE ROLE replication LOGIN REPLICATION PASSWORD 'password-of-replication';
CREATE ROLE capsvc LOGIN PASSWORD 'password-of-capsvc';
CREATE DATABASE capsvc OWNER capsvc ENCODING 'UTF8' TEMPLATE template0;
