export { AuditLog as default } from "@/features/audit-log/list";
