export { AdminGate as default } from "@/features/admin/gate";
