export { AuditLogTexts as default } from "@/features/audit-log/messages";
